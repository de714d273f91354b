;; Takes all the memory it can get and fills it, then traps as a runtime does that ran out.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
    unreachable))
