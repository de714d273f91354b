;; Has a start section.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func $s)
  (start $s)
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
