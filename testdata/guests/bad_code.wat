;; The test makes the code of this module invalid: its checks pass, and it fails
;; when it is compiled.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.add (i32.const 1) (i32.const 2))))
