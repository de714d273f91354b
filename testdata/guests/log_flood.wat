;; Logs 100,000 lines.
;; hooks: prepare
(module
  (import "sourcehost_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "a line")
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (local $n i32)
    (loop $l
      (call $log (i32.const 1) (i32.const 0) (i32.const 6))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
    (i32.const 0)))
