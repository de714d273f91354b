;; Outputs how often this instance was set up and called, as two bytes; an input of one byte makes it trap afterwards.
;; hooks: setup prepare
(module
  (import "sourcehost_v1" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "setup") (param i32) (result i32)
    (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
    (i32.const 0))
  (func (export "prepare") (param i32) (result i32)
    (i32.store8 (i32.const 1) (i32.add (i32.load8_u (i32.const 1)) (i32.const 1)))
    (call $write (i32.const 0) (i32.const 2))
    (if (i32.eq (local.get 0) (i32.const 1)) (then unreachable))
    (i32.const 0)))
