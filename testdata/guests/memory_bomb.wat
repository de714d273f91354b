;; Takes all the memory it can get, then traps as a runtime does that ran out.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    unreachable))
