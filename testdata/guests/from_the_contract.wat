;; A plugin written from docs/abi.md alone, and kept as its proof.
;;
;; It is for items whose description is a JSON string, a URL.
;;
;; setup      logs at level debug "setup sees a page of N bytes", N being the
;;            length of its input, padded with zeros to seven digits; fails when
;;            the page has a "config" that is not {}: kind "invalid", message
;;            "this plugin has no configuration", hint "remove it".
;; filter     asks for the environment variable OFFLINE; if it is set, every item
;;            is skipped with the reason "OFFLINE is set". If that is denied, no
;;            item is skipped.
;; prepare    turns "http://REST" into "https://REST"; an item that begins with
;;            "ftp://" fails: kind "denied", message "ftp is not allowed"; any
;;            other description stays as it is.
;; fetch_one  has the host download each item from its URL. If the host refuses,
;;            its error result becomes the item's error, as it stands.
;;
;; hooks: setup filter prepare fetch_one
;;
;; The plugin manifest (section 7) is not in here: whoever assembles this file
;; adds it as a custom section. It must declare the four hooks and request the
;; capabilities "download" and "env" (OFFLINE).
;;
;; How it works: JSON that comes in is never taken apart further than needed. A
;; key or a description is kept as the range of bytes that it has in the page,
;; quotes and escapes included, and copied like that into what goes out.

(module
  ;; ---------------------------------------------------------------- imports

  (import "sourcehost_v1" "input_read"
    (func $input_read (param $dst i32) (param $off i32) (param $cap i32) (result i32)))
  (import "sourcehost_v1" "result_read"
    (func $result_read (param $dst i32) (param $off i32) (param $cap i32) (result i32)))
  (import "sourcehost_v1" "output_write"
    (func $output_write (param $ptr i32) (param $len i32)))
  (import "sourcehost_v1" "error_set"
    (func $error_set (param $ptr i32) (param $len i32)))
  (import "sourcehost_v1" "log"
    (func $log (param $level i32) (param $ptr i32) (param $len i32)))
  (import "sourcehost_v1" "call"
    (func $call (param $op i32) (param $op_len i32) (param $req i32) (param $req_len i32)
      (result i64)))

  ;; ----------------------------------------------------------------- memory
  ;;
  ;;   0x00000  literals, in slots of 128 bytes from 0x100 on
  ;;   0x04000  BUF, 32,768 bytes: a log line; pieces of a result on their way out
  ;;   0x10000  PAGE: the hook's input (or a result to parse), as long as it is
  ;;   $end     behind it: the request of an operation
  ;;
  ;; Nothing is kept from one hook call to the next, so memory is used anew each
  ;; time and grows only for a page that is larger than all before.

  (memory (export "memory") 2)

  (global $DIGITS   i32 (i32.const 0x20))     ;; 10 bytes for a number
  (global $BUF      i32 (i32.const 0x4000))
  (global $BUF_SIZE i32 (i32.const 0x8000))
  (global $PAGE     i32 (i32.const 0x10000))

  ;; Literals end with a zero byte, which JSON never holds as it stands; so no
  ;; length has to be counted by hand.

  ;; names of fields
  (global $ITEMS  i32 (i32.const 0x100)) (data (i32.const 0x100) "items\00")
  (global $CONFIG i32 (i32.const 0x180)) (data (i32.const 0x180) "config\00")
  (global $KEY    i32 (i32.const 0x200)) (data (i32.const 0x200) "key\00")
  (global $DESC   i32 (i32.const 0x280)) (data (i32.const 0x280) "desc\00")
  (global $SET    i32 (i32.const 0x300)) (data (i32.const 0x300) "set\00")

  ;; the key of an item that has none: an absent field has its zero value
  (global $NO_KEY i32 (i32.const 0x380)) (data (i32.const 0x380) "\"\"\00")

  ;; the log line
  (global $SEES  i32 (i32.const 0x400)) (data (i32.const 0x400) "setup sees a page of \00")
  (global $BYTES i32 (i32.const 0x480)) (data (i32.const 0x480) " bytes\00")

  ;; URLs
  (global $HTTP i32 (i32.const 0x500)) (data (i32.const 0x500) "http://\00")
  (global $FTP  i32 (i32.const 0x580)) (data (i32.const 0x580) "ftp://\00")

  ;; operations and requests
  (global $ENV_OP   i32 (i32.const 0x600)) (data (i32.const 0x600) "env/v1\00")
  (global $ENV_REQ  i32 (i32.const 0x680)) (data (i32.const 0x680) "{\"name\":\"OFFLINE\"}\00")
  (global $LOAD_OP  i32 (i32.const 0x700)) (data (i32.const 0x700) "download/v1\00")
  (global $REQ_KEY  i32 (i32.const 0x780)) (data (i32.const 0x780) "{\"key\":\00")
  (global $REQ_URLS i32 (i32.const 0x800)) (data (i32.const 0x800) ",\"urls\":[\00")
  (global $REQ_END  i32 (i32.const 0x880)) (data (i32.const 0x880) "]}\00")

  ;; pieces of an Output
  (global $OUT_FIRST i32 (i32.const 0x900)) (data (i32.const 0x900) "{\"items\":[{\"key\":\00")
  (global $OUT_NEXT  i32 (i32.const 0x980)) (data (i32.const 0x980) ",{\"key\":\00")
  (global $OUT_SKIP  i32 (i32.const 0xa00)) (data (i32.const 0xa00) ",\"skip\":\"OFFLINE is set\"}\00")
  (global $OUT_DESC  i32 (i32.const 0xa80)) (data (i32.const 0xa80) ",\"desc\":\"https://\00")
  (global $OUT_ERROR i32 (i32.const 0xb00)) (data (i32.const 0xb00) ",\"error\":\00")
  (global $OUT_CLOSE i32 (i32.const 0xb80)) (data (i32.const 0xb80) "}\00")
  (global $OUT_END   i32 (i32.const 0xc00)) (data (i32.const 0xc00) "]}\00")

  ;; Errors
  (global $E_CONFIG i32 (i32.const 0xc80)) (data (i32.const 0xc80)
    "{\"kind\":\"invalid\",\"message\":\"this plugin has no configuration\",\"hint\":\"remove it\"}\00")
  (global $E_MEMORY i32 (i32.const 0xd00)) (data (i32.const 0xd00)
    "{\"kind\":\"failed\",\"message\":\"there is not enough memory for the plugin\"}\00")
  (global $E_ENV i32 (i32.const 0xd80)) (data (i32.const 0xd80)
    "{\"kind\":\"failed\",\"message\":\"the host could not say whether OFFLINE is set\"}\00")
  (global $E_FTP i32 (i32.const 0xe00)) (data (i32.const 0xe00)
    "{\"kind\":\"denied\",\"message\":\"ftp is not allowed\"}\00")
  (global $E_NO_URL i32 (i32.const 0xe80)) (data (i32.const 0xe80)
    "{\"kind\":\"invalid\",\"message\":\"the description of the item is not a string\"}\00")

  ;; the Error for a refused download about which the host has said nothing
  (global $E_KIND  i32 (i32.const 0xf00)) (data (i32.const 0xf00) "{\"kind\":\"\00")
  (global $E_WHAT  i32 (i32.const 0xf80)) (data (i32.const 0xf80)
    "\",\"message\":\"the host refused the download without saying why\"}\00")
  (global $FAILED    i32 (i32.const 0x1000)) (data (i32.const 0x1000) "failed\00")
  (global $DENIED    i32 (i32.const 0x1080)) (data (i32.const 0x1080) "denied\00")
  (global $INVALID   i32 (i32.const 0x1100)) (data (i32.const 0x1100) "invalid\00")
  (global $NOT_FOUND i32 (i32.const 0x1180)) (data (i32.const 0x1180) "not found\00")

  ;; ------------------------------------------------------------------ state

  (global $pos (mut i32) (i32.const 0))       ;; what is parsed: the next byte
  (global $end (mut i32) (i32.const 0))       ;; and the one behind the last

  (global $name     (mut i32) (i32.const 0))  ;; $next_member: the name, without quotes
  (global $name_len (mut i32) (i32.const 0))

  (global $key      (mut i32) (i32.const 0))  ;; $next_item: the key, with quotes
  (global $key_len  (mut i32) (i32.const 0))
  (global $desc     (mut i32) (i32.const 0))  ;; and the description, any JSON value
  (global $desc_len (mut i32) (i32.const 0))  ;; 0 when there is none

  (global $w     (mut i32) (i32.const 0))     ;; $append: where the next byte goes
  (global $named (mut i32) (i32.const 0))     ;; 1 when the output has an Outcome

  ;; ---------------------------------------------------------- small helpers

  ;; The length of a literal.
  (func $length (param $lit i32) (result i32)
    (local $p i32)
    (local.set $p (local.get $lit))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (i32.load8_u (local.get $p))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $more)))
    (i32.sub (local.get $p) (local.get $lit)))

  ;; Appends a literal to the hook's output.
  (func $say (param $lit i32)
    (call $output_write (local.get $lit) (call $length (local.get $lit))))

  ;; Appends bytes, or a literal, at $w; there must be room.
  (func $append (param $ptr i32) (param $len i32)
    (memory.copy (global.get $w) (local.get $ptr) (local.get $len))
    (global.set $w (i32.add (global.get $w) (local.get $len))))

  (func $append_literal (param $lit i32)
    (call $append (local.get $lit) (call $length (local.get $lit))))

  ;; Sets the hook's error; returns what the hook has to return then.
  (func $fail (param $lit i32) (result i32)
    (call $error_set (local.get $lit) (call $length (local.get $lit)))
    (i32.const 1))

  ;; Makes memory reach up to the address $to, which need not fit into 32 bits.
  ;; Returns 0 when it cannot grow so far.
  (func $reach (param $to i64) (result i32)
    (local $lack i64)                         ;; in pages of 65,536 bytes
    (local.set $lack
      (i64.sub
        (i64.shr_u (i64.add (local.get $to) (i64.const 0xffff)) (i64.const 16))
        (i64.extend_i32_u (memory.size))))
    (if (i64.le_s (local.get $lack) (i64.const 0))
      (then (return (i32.const 1))))
    (i32.ne (memory.grow (i32.wrap_i64 (local.get $lack))) (i32.const -1)))

  ;; Reads $len bytes of the hook's input, or with $result of the result of the
  ;; last operation, to PAGE, and makes it what is parsed. Returns 0 when there is
  ;; no memory for that.
  (func $load (param $len i32) (param $result i32) (result i32)
    (local $got i32) (local $n i32)
    ;; 64 more, so that $end is an address that fits into 32 bits
    (if (i32.eqz (call $reach
          (i64.add
            (i64.add (i64.extend_i32_u (global.get $PAGE)) (i64.const 64))
            (i64.extend_i32_u (local.get $len)))))
      (then (return (i32.const 0))))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $got) (local.get $len)))
        (if (local.get $result)
          (then
            (local.set $n (call $result_read
              (i32.add (global.get $PAGE) (local.get $got))
              (local.get $got)
              (i32.sub (local.get $len) (local.get $got)))))
          (else
            (local.set $n (call $input_read
              (i32.add (global.get $PAGE) (local.get $got))
              (local.get $got)
              (i32.sub (local.get $len) (local.get $got))))))
        (local.set $got (i32.add (local.get $got) (local.get $n)))
        (br_if $more (local.get $n))))
    (global.set $pos (global.get $PAGE))
    (global.set $end (i32.add (global.get $PAGE) (local.get $got)))
    (i32.const 1))

  ;; ------------------------------------------------------------ JSON, inward
  ;;
  ;; The host sends nothing that is invalid, so nothing is verified here. But
  ;; whatever comes, no loop goes on behind $end, and each moves on.

  ;; The next byte, 0 at the end.
  (func $peek (result i32)
    (if (i32.ge_u (global.get $pos) (global.get $end))
      (then (return (i32.const 0))))
    (i32.load8_u (global.get $pos)))

  (func $advance (param $n i32)
    (global.set $pos (i32.add (global.get $pos) (local.get $n))))

  (func $is_white (param $c i32) (result i32)
    (i32.or
      (i32.or
        (i32.eq (local.get $c) (i32.const 0x20))
        (i32.eq (local.get $c) (i32.const 0x09)))
      (i32.or
        (i32.eq (local.get $c) (i32.const 0x0a))
        (i32.eq (local.get $c) (i32.const 0x0d)))))

  (func $skip_white
    (block $done
      (loop $more
        (br_if $done (i32.eqz (call $is_white (call $peek))))
        (call $advance (i32.const 1))
        (br $more))))

  ;; Skips white space and the byte $c. Returns 0 when something else stands there.
  (func $take (param $c i32) (result i32)
    (call $skip_white)
    (if (i32.ne (call $peek) (local.get $c))
      (then (return (i32.const 0))))
    (call $advance (i32.const 1))
    (i32.const 1))

  ;; Skips the string that begins at $pos.
  (func $skip_string
    (local $c i32)
    (call $advance (i32.const 1))
    (loop $more
      (local.set $c (call $peek))
      (if (i32.eqz (local.get $c))
        (then (return)))
      (if (i32.eq (local.get $c) (i32.const 0x22))        ;; the closing quote
        (then
          (call $advance (i32.const 1))
          (return)))
      (if (i32.eq (local.get $c) (i32.const 0x5c))        ;; \ and what it escapes
        (then (call $advance (i32.const 2)))
        (else (call $advance (i32.const 1))))
      (br $more)))

  ;; Skips the value that begins at $pos, however deep it is nested, and nothing
  ;; behind it.
  (func $skip_value
    (local $c i32) (local $depth i32)
    (loop $more
      (local.set $c (call $peek))
      (if (i32.eqz (local.get $c))
        (then (return)))

      (if (i32.eq (local.get $c) (i32.const 0x22))        ;; "
        (then
          (call $skip_string)
          (br_if $more (local.get $depth))
          (return)))

      (if (i32.or
            (i32.eq (local.get $c) (i32.const 0x7b))      ;; {
            (i32.eq (local.get $c) (i32.const 0x5b)))     ;; [
        (then
          (local.set $depth (i32.add (local.get $depth) (i32.const 1)))
          (call $advance (i32.const 1))
          (br $more)))

      (if (i32.or
            (i32.eq (local.get $c) (i32.const 0x7d))      ;; }
            (i32.eq (local.get $c) (i32.const 0x5d)))     ;; ]
        (then
          ;; of what is around a number or a word, which has ended
          (if (i32.eqz (local.get $depth))
            (then (return)))
          (local.set $depth (i32.sub (local.get $depth) (i32.const 1)))
          (call $advance (i32.const 1))
          (br_if $more (local.get $depth))
          (return)))

      ;; numbers and words end at a comma or white space; inside of brackets both
      ;; are skipped
      (if (i32.eqz (local.get $depth))
        (then
          (if (i32.or
                (i32.eq (local.get $c) (i32.const 0x2c))  ;; ,
                (call $is_white (local.get $c)))
            (then (return)))))
      (call $advance (i32.const 1))
      (br $more)))

  ;; Inside of an object: goes to the next member's value and sets $name. At the
  ;; object's end goes behind it and returns 0. The value must be skipped before
  ;; the next call.
  (func $next_member (result i32)
    (drop (call $take (i32.const 0x2c)))                  ;; ,
    (call $skip_white)
    (if (i32.ne (call $peek) (i32.const 0x22))            ;; no name: it is the }
      (then
        (call $advance (i32.const 1))
        (return (i32.const 0))))
    (global.set $name (i32.add (global.get $pos) (i32.const 1)))
    (call $skip_string)
    (global.set $name_len
      (i32.sub (i32.sub (global.get $pos) (i32.const 1)) (global.get $name)))
    (drop (call $take (i32.const 0x3a)))                  ;; :
    (call $skip_white)
    (i32.const 1))

  ;; Whether $name is the literal. The host writes the names that it knows without
  ;; escapes.
  (func $name_is (param $lit i32) (result i32)
    (local $i i32)
    (if (i32.ne (global.get $name_len) (call $length (local.get $lit)))
      (then (return (i32.const 0))))
    (block $same
      (loop $more
        (br_if $same (i32.eq (local.get $i) (global.get $name_len)))
        (if (i32.ne
              (i32.load8_u (i32.add (global.get $name) (local.get $i)))
              (i32.load8_u (i32.add (local.get $lit) (local.get $i))))
          (then (return (i32.const 0))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $more)))
    (i32.const 1))

  ;; Goes to the value of the member of that name of the message at $pos. Returns 0
  ;; when it has none.
  (func $find (param $lit i32) (result i32)
    (if (i32.eqz (call $take (i32.const 0x7b)))           ;; {
      (then (return (i32.const 0))))
    (loop $more
      (if (i32.eqz (call $next_member))
        (then (return (i32.const 0))))
      (if (call $name_is (local.get $lit))
        (then (return (i32.const 1))))
      (call $skip_value)
      (br $more))
    (unreachable))                                        ;; the loop only returns

  ;; Goes to the first item of the page that is loaded; without one to the end.
  (func $first_item
    (if (call $find (global.get $ITEMS))
      (then
        (if (call $take (i32.const 0x5b))                 ;; [
          (then (return)))))
    (global.set $pos (global.get $end)))

  ;; Takes the next item: sets $key and $desc. Returns 0 when there is no further
  ;; one.
  (func $next_item (result i32)
    (local $value i32)
    (drop (call $take (i32.const 0x2c)))                  ;; ,
    (if (i32.eqz (call $take (i32.const 0x7b)))           ;; no {: it is the ]
      (then (return (i32.const 0))))
    (global.set $key (global.get $NO_KEY))
    (global.set $key_len (i32.const 2))
    (global.set $desc (i32.const 0))
    (global.set $desc_len (i32.const 0))
    (block $done
      (loop $more
        (br_if $done (i32.eqz (call $next_member)))
        (local.set $value (global.get $pos))
        (call $skip_value)
        (if (call $name_is (global.get $KEY))
          (then
            (global.set $key (local.get $value))
            (global.set $key_len (i32.sub (global.get $pos) (local.get $value)))))
        (if (call $name_is (global.get $DESC))
          (then
            (global.set $desc (local.get $value))
            (global.set $desc_len (i32.sub (global.get $pos) (local.get $value)))))
        (br $more)))
    (i32.const 1))

  ;; Whether the description is a string.
  (func $desc_is_string (result i32)
    (if (i32.eqz (global.get $desc_len))
      (then (return (i32.const 0))))
    (i32.eq (i32.load8_u (global.get $desc)) (i32.const 0x22)))

  ;; The value of the four hexadecimal digits at $p.
  (func $hex4 (param $p i32) (result i32)
    (local $i i32) (local $c i32) (local $value i32)
    (loop $more
      (local.set $c (i32.load8_u (i32.add (local.get $p) (local.get $i))))
      (if (i32.le_u (local.get $c) (i32.const 0x39))      ;; 0 to 9
        (then (local.set $c (i32.sub (local.get $c) (i32.const 0x30))))
        (else                                             ;; a to f, A to F
          (local.set $c (i32.sub (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x57)))))
      (local.set $value (i32.or (i32.shl (local.get $value) (i32.const 4)) (local.get $c)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (i32.const 4))))
    (local.get $value))

  ;; If the description is a string that begins with the literal (ASCII), however
  ;; it is escaped, returns the address of what follows that in the page; else 0.
  (func $desc_after (param $lit i32) (result i32)
    (local $p i32) (local $quote i32) (local $want i32) (local $c i32)
    (if (i32.eqz (call $desc_is_string))
      (then (return (i32.const 0))))
    (local.set $p (i32.add (global.get $desc) (i32.const 1)))
    (local.set $quote                                     ;; the closing one
      (i32.sub (i32.add (global.get $desc) (global.get $desc_len)) (i32.const 1)))
    (loop $more
      (local.set $want (i32.load8_u (local.get $lit)))
      (if (i32.eqz (local.get $want))                     ;; all of it was there
        (then (return (local.get $p))))
      (if (i32.ge_u (local.get $p) (local.get $quote))
        (then (return (i32.const 0))))
      (local.set $c (i32.load8_u (local.get $p)))
      (if (i32.eq (local.get $c) (i32.const 0x5c))        ;; \
        (then
          ;; \/ and \uXXXX may stand for something in the literal; what other
          ;; escapes stand for does not occur in one
          (local.set $c (i32.load8_u (i32.add (local.get $p) (i32.const 1))))
          (if (i32.eq (local.get $c) (i32.const 0x75))    ;; u
            (then
              (local.set $c (call $hex4 (i32.add (local.get $p) (i32.const 2))))
              (local.set $p (i32.add (local.get $p) (i32.const 6))))
            (else
              (if (i32.ne (local.get $c) (i32.const 0x2f)) ;; /
                (then (return (i32.const 0))))
              (local.set $p (i32.add (local.get $p) (i32.const 2))))))
        (else
          (local.set $p (i32.add (local.get $p) (i32.const 1)))))
      (if (i32.ne (local.get $c) (local.get $want))
        (then (return (i32.const 0))))
      (local.set $lit (i32.add (local.get $lit) (i32.const 1)))
      (br $more))
    (unreachable))                                        ;; the loop only returns

  ;; ----------------------------------------------------------- JSON, outward

  ;; Begins the Outcome of the current item, up to the value of its key.
  (func $say_key
    (call $say
      (select (global.get $OUT_NEXT) (global.get $OUT_FIRST) (global.get $named)))
    (global.set $named (i32.const 1))
    (call $output_write (global.get $key) (global.get $key_len)))

  ;; Says that the current item fails with this Error.
  (func $say_error (param $lit i32)
    (call $say_key)
    (call $say (global.get $OUT_ERROR))
    (call $say (local.get $lit))
    (call $say (global.get $OUT_CLOSE)))

  ;; Ends the output, if there is one; returns what a hook that has not failed
  ;; returns.
  (func $finish (result i32)
    (if (global.get $named)
      (then (call $say (global.get $OUT_END))))
    (i32.const 0))

  ;; Copies the result of the last operation to the output, as it stands, piece by
  ;; piece, so that it needs no memory of its length.
  (func $say_result
    (local $off i32) (local $n i32)
    (block $done
      (loop $more
        (local.set $n
          (call $result_read (global.get $BUF) (local.get $off) (global.get $BUF_SIZE)))
        (br_if $done (i32.eqz (local.get $n)))
        (call $output_write (global.get $BUF) (local.get $n))
        (local.set $off (i32.add (local.get $off) (local.get $n)))
        (br $more))))

  ;; ------------------------------------------------------------------- hooks

  ;; States the version of the contract; never called.
  (func (export "sourcehost_abi_v1"))

  (func (export "setup") (param $input_len i32) (result i32)
    (call $log_length (local.get $input_len))
    (if (i32.eqz (call $load (local.get $input_len) (i32.const 0)))
      (then (return (call $fail (global.get $E_MEMORY)))))
    (if (call $find (global.get $CONFIG))
      (then
        (if (call $take (i32.const 0x7b))                 ;; {
          (then
            (if (call $take (i32.const 0x7d))             ;; }
              (then (return (i32.const 0))))))
        (return (call $fail (global.get $E_CONFIG)))))
    (i32.const 0))

  ;; Logs "setup sees a page of N bytes". N has seven digits, more if it must.
  (func $log_length (param $n i32)
    (local $p i32)
    ;; ten digits, which any 32-bit number fits into, the last one first
    (local.set $p (i32.add (global.get $DIGITS) (i32.const 10)))
    (loop $more
      (local.set $p (i32.sub (local.get $p) (i32.const 1)))
      (i32.store8 (local.get $p)
        (i32.add (i32.const 0x30) (i32.rem_u (local.get $n) (i32.const 10))))
      (local.set $n (i32.div_u (local.get $n) (i32.const 10)))
      (br_if $more (i32.gt_u (local.get $p) (global.get $DIGITS))))
    ;; without as many of the first three as are zeros
    (block $done
      (loop $zero
        (br_if $done
          (i32.ge_u (local.get $p) (i32.add (global.get $DIGITS) (i32.const 3))))
        (br_if $done (i32.ne (i32.load8_u (local.get $p)) (i32.const 0x30)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $zero)))
    (global.set $w (global.get $BUF))
    (call $append_literal (global.get $SEES))
    (call $append
      (local.get $p)
      (i32.sub (i32.add (global.get $DIGITS) (i32.const 10)) (local.get $p)))
    (call $append_literal (global.get $BYTES))
    (call $log
      (i32.const 0)                                       ;; debug
      (global.get $BUF)
      (i32.sub (global.get $w) (global.get $BUF))))

  (func (export "filter") (param $input_len i32) (result i32)
    (local $answer i64) (local $status i32) (local $len i32)
    (global.set $named (i32.const 0))
    (local.set $answer
      (call $call
        (global.get $ENV_OP) (call $length (global.get $ENV_OP))
        (global.get $ENV_REQ) (call $length (global.get $ENV_REQ))))
    (local.set $status (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32))))
    (local.set $len (i32.wrap_i64 (local.get $answer)))

    ;; Denied, or there is no such thing: nothing is skipped.
    (if (i32.or
          (i32.eq (local.get $status) (i32.const 2))
          (i32.eq (local.get $status) (i32.const 6)))
      (then (return (i32.const 0))))

    ;; Any other trouble leaves open whether to skip: the page fails with what the
    ;; host has said, if it has, and if that is not too long for a hook's error.
    (if (local.get $status)
      (then
        (if (i32.or
              (i32.eqz (local.get $len))
              (i32.gt_u (local.get $len) (i32.const 1048576)))
          (then (return (call $fail (global.get $E_ENV)))))
        (if (i32.eqz (call $load (local.get $len) (i32.const 1)))
          (then (return (call $fail (global.get $E_MEMORY)))))
        (call $error_set
          (global.get $PAGE) (i32.sub (global.get $end) (global.get $PAGE)))
        (return (i32.const 1))))

    ;; An EnvValue. The page is loaded only after it, to the same place.
    (if (i32.eqz (call $load (local.get $len) (i32.const 1)))
      (then (return (call $fail (global.get $E_MEMORY)))))
    (if (i32.eqz (call $find (global.get $SET)))
      (then (return (i32.const 0))))
    (if (i32.ne (call $peek) (i32.const 0x74))            ;; the t of true
      (then (return (i32.const 0))))

    (if (i32.eqz (call $load (local.get $input_len) (i32.const 0)))
      (then (return (call $fail (global.get $E_MEMORY)))))
    (call $first_item)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (call $next_item)))
        (call $say_key)
        (call $say (global.get $OUT_SKIP))
        (br $more)))
    (call $finish))

  (func (export "prepare") (param $input_len i32) (result i32)
    (local $rest i32)
    (global.set $named (i32.const 0))
    (if (i32.eqz (call $load (local.get $input_len) (i32.const 0)))
      (then (return (call $fail (global.get $E_MEMORY)))))
    (call $first_item)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (call $next_item)))
        (if (call $desc_after (global.get $FTP))
          (then
            (call $say_error (global.get $E_FTP))
            (br $more)))
        (local.set $rest (call $desc_after (global.get $HTTP)))
        (if (local.get $rest)
          (then
            (call $say_key)
            (call $say (global.get $OUT_DESC))            ;; up to https://
            (call $output_write                           ;; REST, and the closing quote
              (local.get $rest)
              (i32.sub
                (i32.add (global.get $desc) (global.get $desc_len))
                (local.get $rest)))
            (call $say (global.get $OUT_CLOSE))))
        (br $more)))
    (call $finish))

  (func (export "fetch_one") (param $input_len i32) (result i32)
    (global.set $named (i32.const 0))
    (if (i32.eqz (call $load (local.get $input_len) (i32.const 0)))
      (then (return (call $fail (global.get $E_MEMORY)))))
    (call $first_item)
    (block $done
      (loop $more
        (br_if $done (i32.eqz (call $next_item)))
        (call $download)
        (br $more)))
    (call $finish))

  ;; Asks the host to download the current item.
  (func $download
    (local $answer i64) (local $status i32)
    (if (i32.eqz (call $desc_is_string))
      (then
        (call $say_error (global.get $E_NO_URL))
        (return)))

    ;; The request: {"key":KEY,"urls":[DESC]}, behind the page. 64 bytes are more
    ;; than what is around the two.
    (if (i32.eqz (call $reach
          (i64.add
            (i64.add (i64.extend_i32_u (global.get $end)) (i64.const 64))
            (i64.add
              (i64.extend_i32_u (global.get $key_len))
              (i64.extend_i32_u (global.get $desc_len))))))
      (then
        (call $say_error (global.get $E_MEMORY))
        (return)))
    (global.set $w (global.get $end))
    (call $append_literal (global.get $REQ_KEY))
    (call $append (global.get $key) (global.get $key_len))
    (call $append_literal (global.get $REQ_URLS))
    (call $append (global.get $desc) (global.get $desc_len))
    (call $append_literal (global.get $REQ_END))

    (local.set $answer
      (call $call
        (global.get $LOAD_OP) (call $length (global.get $LOAD_OP))
        (global.get $end) (i32.sub (global.get $w) (global.get $end))))
    (local.set $status (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32))))
    (if (i32.eqz (local.get $status))                     ;; accepted
      (then (return)))

    (call $say_key)
    (call $say (global.get $OUT_ERROR))
    (if (i32.wrap_i64 (local.get $answer))                ;; the length of what it said
      (then (call $say_result))
      (else (call $say_status (local.get $status))))
    (call $say (global.get $OUT_CLOSE)))

  ;; Says an Error for a status whose result is empty.
  (func $say_status (param $status i32)
    (local $kind i32)
    (local.set $kind (global.get $FAILED))                ;; also for unknown ones
    (if (i32.eq (local.get $status) (i32.const 2))
      (then (local.set $kind (global.get $DENIED))))
    (if (i32.eq (local.get $status) (i32.const 3))
      (then (local.set $kind (global.get $INVALID))))
    (if (i32.eq (local.get $status) (i32.const 6))
      (then (local.set $kind (global.get $NOT_FOUND))))
    (call $say (global.get $E_KIND))
    (call $say (local.get $kind))
    (call $say (global.get $E_WHAT)))
)
