;; Wants more memory at the start than it may have.
;; hooks: prepare
(module
  (memory (export "memory") 5000)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
