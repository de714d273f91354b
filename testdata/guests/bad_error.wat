;; Fails with an error that is not JSON.
;; hooks: prepare
(module
  (import "sourcehost_v1" "error_set" (func $error (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "oops")
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (call $error (i32.const 0) (i32.const 4))
    (i32.const 1)))
