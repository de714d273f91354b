;; Imports a function that no host offers.
;; hooks: prepare
(module
  (import "sourcehost_v1" "exec" (func (param i32)))
  (import "env" "abort" (func))
  (import "wasi_snapshot_preview1" "fd_magic" (func))
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32) (i32.const 0)))
