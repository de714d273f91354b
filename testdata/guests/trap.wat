;; Traps in each hook, two functions deep.
;; hooks: setup filter prepare fetch_one
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func $deep unreachable)
  (func $inner (call $deep))
  (func (export "setup") (param i32) (result i32)
    (if (local.get 0) (then (call $inner)))
    (i32.const 0))
  (func (export "filter") (param i32) (result i32) (call $inner) (i32.const 0))
  (func (export "prepare") (param i32) (result i32)
    (i32.div_u (i32.const 1) (i32.const 0)))
  (func (export "fetch_one") (param i32) (result i32)
    (i32.load (i32.const -4))))
