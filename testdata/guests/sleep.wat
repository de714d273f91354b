;; Sleeps for an hour with poll_oneoff.
;; hooks: prepare
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sourcehost_abi_v1"))
  (func (export "prepare") (param i32) (result i32)
    ;; One subscription: event type 0 (clock), clock 1 (monotonic), relative.
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 200) (i32.const 1) (i32.const 300)))
    (i32.const 0)))
