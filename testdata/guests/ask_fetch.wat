;; Asks for an operation in each hook; the value that it returns is the status.
;; hooks: prepare fetch_one
(module
  (import "sourcehost_v1" "call" (func $call (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "download/v1")
  (func (export "sourcehost_abi_v1"))
  (func $ask (result i32)
    (i32.wrap_i64 (i64.shr_u (call $call (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 0)) (i64.const 32))))
  (func (export "prepare") (param i32) (result i32) (call $ask))
  (func (export "fetch_one") (param i32) (result i32) (call $ask)))
