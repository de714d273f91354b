;; Exports an initialization function that wants a parameter.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "_initialize") (param i32))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
