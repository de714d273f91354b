;; Exports its hook with another signature.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32 i64) (i32.const 0) drop))
