;; Has a data segment outside of its memory, which shows when it is instantiated.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (data (i32.const 65530) "beyond the end")
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
