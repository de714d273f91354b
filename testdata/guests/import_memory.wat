;; Wants the host to provide its memory.
;; hooks: prepare
(module
  (import "sourcehost_v1" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
