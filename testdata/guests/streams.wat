;; Writes two lines and a half to standard error, one of them as a runtime that gives up, and ends itself.
;; hooks: prepare
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "panic: out of ideas\n\nmain.main()\nhalf")
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const 37))
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $exit (i32.const 3))
    unreachable))
