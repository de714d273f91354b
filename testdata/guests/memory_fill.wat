;; Fills 48 MiB of memory over and over in straight lines: 4096 times without a loop.
;; hooks: prepare
(module
  (memory (export "memory") 768)
  (func (export "sourcehost_abi_v1"))
  (func $fill (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3000000)))
  (func $x0 (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill))
  (func $x1 (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0) (call $x0))
  (func $x2 (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1) (call $x1))
  (func (export "prepare") (param i32) (result i32)
    (call $x2)
    (i32.const 0)))
