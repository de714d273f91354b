;; Declares a hook that it does not export.
;; hooks: prepare filter
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
