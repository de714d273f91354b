;; Traps while it is initialized.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "_initialize") unreachable)
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
