;; Grows its tables as far as they go and fills them.
;; hooks: prepare
(module
  (memory (export "memory") 1)
  (table $t 10 funcref)
  (table $u 10 funcref)
  (elem declare func $f)
  (func $f)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (loop $l (br_if $l (i32.ne (table.grow $t (ref.func $f) (i32.const 1024)) (i32.const -1))))
    (loop $l (br_if $l (i32.ne (table.grow $u (ref.func $f) (i32.const 1024)) (i32.const -1))))
    (table.fill $t (i32.const 0) (ref.func $f) (table.size $t))
    (table.fill $u (i32.const 0) (ref.func $f) (table.size $u))
    unreachable))
