;; A plugin written from docs/abi.md alone, and kept as its proof. For items whose
;; description is a string, a URL, it does this:
;; - setup logs at the level debug the length of the page, and fails with the kind
;;   "invalid" when the page has a member "config" that is not {}.
;; - filter asks for the environment variable OFFLINE; if it is set, every item is
;;   skipped. If that is denied, no item is.
;; - prepare makes https of http; an ftp URL is the item's error. What is no string
;;   stays as it is.
;; - fetch_one has the URL downloaded. If that is refused, what the host said is the
;;   item's error.
;; hooks: setup filter prepare fetch_one
(module
  (import "sourcehost_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "sourcehost_v1" "result_read" (func $result_read (param i32 i32 i32) (result i32)))
  (import "sourcehost_v1" "output_write" (func $output_write (param i32 i32)))
  (import "sourcehost_v1" "error_set" (func $error_set (param i32 i32)))
  (import "sourcehost_v1" "log" (func $log (param i32 i32 i32)))
  (import "sourcehost_v1" "call" (func $call (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  ;; Constants lie below 4096, the input from there on, and what is built for
  ;; requests and results of operations behind the input.
  (data (i32.const 0) "setup sees a page of 0000000 bytes")
  (data (i32.const 64) "{\"kind\":\"invalid\",\"message\":\"this plugin has no configuration\",\"hint\":\"remove it\"}")
  (data (i32.const 192) "env/v1")
  (data (i32.const 208) "{\"name\":\"OFFLINE\"}")
  (data (i32.const 240) "\"set\"")
  (data (i32.const 256) "{\"items\":[")
  (data (i32.const 272) "]}")
  (data (i32.const 280) "{\"key\":")
  (data (i32.const 288) ",\"skip\":\"OFFLINE is set\"}")
  (data (i32.const 320) ",\"desc\":\"https://")
  (data (i32.const 344) ",\"error\":{\"kind\":\"denied\",\"message\":\"ftp is not allowed\"}}")
  (data (i32.const 416) "download/v1")
  (data (i32.const 432) ",\"urls\":[")
  (data (i32.const 448) "\"http://")
  (data (i32.const 464) "\"ftp://")
  (data (i32.const 480) ",\"error\":")
  (data (i32.const 496) "{\"kind\":\"failed\",\"message\":\"the host refused the download\"}")
  (data (i32.const 576) "\"items\"")
  (data (i32.const 592) "\"key\"")
  (data (i32.const 600) "\"desc\"")
  (data (i32.const 608) "\"config\"")
  (data (i32.const 624) ",")

  (global $end (mut i32) (i32.const 0))   ;; of the input
  (global $build (mut i32) (i32.const 0)) ;; where the next request is built
  (global $first (mut i32) (i32.const 0)) ;; whether no outcome was written yet
  (global $key (mut i32) (i32.const 0))   ;; the item at hand, with the quotes
  (global $key_len (mut i32) (i32.const 0))
  (global $desc (mut i32) (i32.const 0))
  (global $desc_len (mut i32) (i32.const 0))

  ;; reserve makes the memory reach to an address.
  (func $reserve (param $to i32)
    (local $pages i32)
    (local.set $pages (i32.sub (i32.shr_u (i32.add (local.get $to) (i32.const 65535)) (i32.const 16)) (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable)))))

  ;; read takes the whole input.
  (func $read (param $n i32)
    (global.set $end (i32.add (i32.const 4096) (local.get $n)))
    (call $reserve (i32.add (global.get $end) (i32.const 4096)))
    (if (i32.ne (call $input_read (i32.const 4096) (i32.const 0) (local.get $n)) (local.get $n)) (then unreachable))
    (global.set $first (i32.const 1)))

  (func $is_space (param $c i32) (result i32)
    (i32.or (i32.or (i32.eq (local.get $c) (i32.const 32)) (i32.eq (local.get $c) (i32.const 10)))
            (i32.or (i32.eq (local.get $c) (i32.const 9)) (i32.eq (local.get $c) (i32.const 13)))))

  (func $space (param $p i32) (result i32)
    (loop $more
      (if (call $is_space (i32.load8_u (local.get $p)))
        (then (local.set $p (i32.add (local.get $p) (i32.const 1))) (br $more))))
    (local.get $p))

  ;; string returns what follows the string at p.
  (func $string (param $p i32) (result i32)
    (local $c i32)
    (loop $more
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (local.set $c (i32.load8_u (local.get $p)))
      (if (i32.eq (local.get $c) (i32.const 92)) ;; a backslash
        (then (local.set $p (i32.add (local.get $p) (i32.const 1))) (br $more)))
      (br_if $more (i32.ne (local.get $c) (i32.const 34))))
    (i32.add (local.get $p) (i32.const 1)))

  ;; value returns what follows the value at p. Only brackets outside of strings
  ;; nest, and the host writes no JSON in which they do not match.
  (func $value (param $p i32) (result i32)
    (local $depth i32) (local $c i32)
    (loop $more
      (local.set $c (i32.load8_u (local.get $p)))
      (if (i32.eq (local.get $c) (i32.const 34))
        (then (local.set $p (call $string (local.get $p))))
        (else
          (if (i32.eqz (local.get $depth))
            (then ;; the end of a number or word
              (if (i32.or (i32.or (i32.eq (local.get $c) (i32.const 44)) (call $is_space (local.get $c)))
                          (i32.or (i32.eq (local.get $c) (i32.const 125)) (i32.eq (local.get $c) (i32.const 93))))
                (then (return (local.get $p))))))
          (if (i32.or (i32.eq (local.get $c) (i32.const 123)) (i32.eq (local.get $c) (i32.const 91)))
            (then (local.set $depth (i32.add (local.get $depth) (i32.const 1)))))
          (if (i32.or (i32.eq (local.get $c) (i32.const 125)) (i32.eq (local.get $c) (i32.const 93)))
            (then (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
                  (if (i32.eqz (local.get $depth)) (then (return (i32.add (local.get $p) (i32.const 1)))))))
          (local.set $p (i32.add (local.get $p) (i32.const 1)))
          (br $more)))
      (br_if $more (local.get $depth)))
    (local.get $p))

  ;; starts says whether the text at p begins with the n bytes at want.
  (func $starts (param $p i32) (param $want i32) (param $n i32) (result i32)
    (local $i i32)
    (loop $more
      (if (i32.eq (local.get $i) (local.get $n)) (then (return (i32.const 1))))
      (if (i32.eq (i32.load8_u (i32.add (local.get $p) (local.get $i))) (i32.load8_u (i32.add (local.get $want) (local.get $i))))
        (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $more))))
    (i32.const 0))

  ;; member returns the value of a member of the object at p, or 0. The name comes
  ;; with its quotes; the host writes names as the contract does.
  (func $member (param $p i32) (param $name i32) (param $n i32) (result i32)
    (local $found i32)
    (local.set $p (call $space (i32.add (local.get $p) (i32.const 1))))
    (loop $more
      (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 125)) (then (return (i32.const 0))))
      (local.set $found (call $starts (local.get $p) (local.get $name) (local.get $n)))
      (local.set $p (call $space (call $string (local.get $p))))
      (local.set $p (call $space (i32.add (local.get $p) (i32.const 1)))) ;; the colon
      (if (local.get $found) (then (return (local.get $p))))
      (local.set $p (call $space (call $value (local.get $p))))
      (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 44))
        (then (local.set $p (call $space (i32.add (local.get $p) (i32.const 1))))))
      (br $more))
    (unreachable))

  ;; first_item returns the first item of the page, or 0.
  (func $first_item (result i32)
    (local $p i32)
    (local.set $p (call $member (call $space (i32.const 4096)) (i32.const 576) (i32.const 7)))
    (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
    (call $at_item (call $space (i32.add (local.get $p) (i32.const 1)))))

  ;; at_item takes note of the item at p, if there is one, and returns p or 0.
  (func $at_item (param $p i32) (result i32)
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 123)) (then (return (i32.const 0))))
    (global.set $key (call $member (local.get $p) (i32.const 592) (i32.const 5)))
    (global.set $key_len (i32.sub (call $string (global.get $key)) (global.get $key)))
    (global.set $desc (call $member (local.get $p) (i32.const 600) (i32.const 6)))
    (global.set $desc_len (i32.sub (call $value (global.get $desc)) (global.get $desc)))
    (local.get $p))

  (func $next_item (param $p i32) (result i32)
    (local.set $p (call $space (call $value (local.get $p))))
    (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 44))
      (then (local.set $p (call $space (i32.add (local.get $p) (i32.const 1))))))
    (call $at_item (local.get $p)))

  (func $is_url (result i32) (i32.eq (i32.load8_u (global.get $desc)) (i32.const 34)))

  ;; outcome begins an outcome of the item at hand.
  (func $outcome
    (if (global.get $first)
      (then (call $output_write (i32.const 256) (i32.const 10)))
      (else (call $output_write (i32.const 624) (i32.const 1))))
    (global.set $first (i32.const 0))
    (call $output_write (i32.const 280) (i32.const 7))
    (call $output_write (global.get $key) (global.get $key_len)))

  (func $finish (result i32)
    (if (i32.eqz (global.get $first)) (then (call $output_write (i32.const 272) (i32.const 2))))
    (i32.const 0))

  ;; append adds to the request that is built.
  (func $append (param $p i32) (param $n i32)
    (call $reserve (i32.add (global.get $build) (local.get $n)))
    (memory.copy (global.get $build) (local.get $p) (local.get $n))
    (global.set $build (i32.add (global.get $build) (local.get $n))))

  (func (export "sourcehost_abi_v1"))

  (func (export "setup") (param $n i32) (result i32)
    (local $at i32) (local $rest i32)
    (call $read (local.get $n))
    (local.set $at (i32.const 27))
    (local.set $rest (local.get $n))
    (loop $digits
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $rest) (i32.const 10))))
      (local.set $rest (i32.div_u (local.get $rest) (i32.const 10)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br_if $digits (i32.gt_u (local.get $at) (i32.const 20))))
    (call $log (i32.const 0) (i32.const 0) (i32.const 34))
    (local.set $at (call $member (call $space (i32.const 4096)) (i32.const 608) (i32.const 8)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
    (local.set $at (call $space (i32.add (local.get $at) (i32.const 1))))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 125)) (then (return (i32.const 0))))
    (call $error_set (i32.const 64) (i32.const 82))
    (i32.const 1))

  (func (export "filter") (param $n i32) (result i32)
    (local $r i64) (local $p i32) (local $to i32)
    (call $read (local.get $n))
    (local.set $r (call $call (i32.const 192) (i32.const 6) (i32.const 208) (i32.const 18)))
    (if (i64.ne (i64.shr_u (local.get $r) (i64.const 32)) (i64.const 0)) (then (return (i32.const 0))))
    ;; The result goes behind the input.
    (local.set $to (i32.add (global.get $end) (i32.wrap_i64 (local.get $r))))
    (call $reserve (i32.add (local.get $to) (i32.const 16)))
    (drop (call $result_read (global.get $end) (i32.const 0) (i32.wrap_i64 (local.get $r))))
    (local.set $p (call $member (global.get $end) (i32.const 240) (i32.const 5)))
    (if (i32.eqz (local.get $p)) (then (return (i32.const 0))))
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 116)) (then (return (i32.const 0)))) ;; true
    (local.set $p (call $first_item))
    (block $done
      (loop $items
        (br_if $done (i32.eqz (local.get $p)))
        (call $outcome)
        (call $output_write (i32.const 288) (i32.const 25))
        (local.set $p (call $next_item (local.get $p)))
        (br $items)))
    (call $finish))

  (func (export "prepare") (param $n i32) (result i32)
    (local $p i32)
    (call $read (local.get $n))
    (local.set $p (call $first_item))
    (block $done
      (loop $items
        (br_if $done (i32.eqz (local.get $p)))
        (if (call $starts (global.get $desc) (i32.const 448) (i32.const 8))
          (then
            (call $outcome)
            (call $output_write (i32.const 320) (i32.const 17))
            (call $output_write (i32.add (global.get $desc) (i32.const 8)) (i32.sub (global.get $desc_len) (i32.const 8)))
            (call $output_write (i32.const 273) (i32.const 1))))
        (if (call $starts (global.get $desc) (i32.const 464) (i32.const 7))
          (then
            (call $outcome)
            (call $output_write (i32.const 344) (i32.const 58))))
        (local.set $p (call $next_item (local.get $p)))
        (br $items)))
    (call $finish))

  (func (export "fetch_one") (param $n i32) (result i32)
    (local $p i32) (local $r i64) (local $len i32)
    (call $read (local.get $n))
    (local.set $p (call $first_item))
    (block $done
      (loop $items
        (br_if $done (i32.eqz (local.get $p)))
        (if (call $is_url)
          (then
            (global.set $build (global.get $end))
            (call $append (i32.const 280) (i32.const 7))
            (call $append (global.get $key) (global.get $key_len))
            (call $append (i32.const 432) (i32.const 9))
            (call $append (global.get $desc) (global.get $desc_len))
            (call $append (i32.const 272) (i32.const 2))
            (local.set $r (call $call (i32.const 416) (i32.const 11) (global.get $end) (i32.sub (global.get $build) (global.get $end))))
            (if (i64.ne (i64.shr_u (local.get $r) (i64.const 32)) (i64.const 0))
              (then
                (local.set $len (i32.wrap_i64 (local.get $r)))
                (call $outcome)
                (call $output_write (i32.const 480) (i32.const 9))
                (call $reserve (i32.add (global.get $end) (local.get $len)))
                (drop (call $result_read (global.get $end) (i32.const 0) (local.get $len)))
                (if (local.get $len)
                  (then (call $output_write (global.get $end) (local.get $len)))
                  (else (call $output_write (i32.const 496) (i32.const 59))))
                (call $output_write (i32.const 273) (i32.const 1))))))
        (local.set $p (call $next_item (local.get $p)))
        (br $items)))
    (call $finish)))
