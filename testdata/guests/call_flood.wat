;; Asks for operations without end.
;; hooks: prepare
(module
  (import "sourcehost_v1" "call" (func $call (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "env/v1")
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (loop $l (drop (call $call (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0))) (br $l))
    unreachable))
