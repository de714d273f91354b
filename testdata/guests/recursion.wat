;; Calls itself without end.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func $f (param i32) (result i32)
    (i32.add (call $f (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
  (func (export "prepare") (param i32) (result i32) (call $f (local.get 0))))
