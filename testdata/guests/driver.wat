;; Calls the import that the test chooses with the arguments that it chooses:
;; the input is five little-endian i32, the number of the import and up to four
;; arguments. The result, an i64, is the output.
;; hooks: prepare
(module
  (import "sourcehost_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
  (import "sourcehost_v1" "result_read" (func $result_read (param i32 i32 i32) (result i32)))
  (import "sourcehost_v1" "output_write" (func $output_write (param i32 i32)))
  (import "sourcehost_v1" "error_set" (func $error_set (param i32 i32)))
  (import "sourcehost_v1" "log" (func $log (param i32 i32 i32)))
  (import "sourcehost_v1" "call" (func $call (param i32 i32 i32 i32) (result i64)))
  (memory (export "memory") 32)
  (func (export "sourcehost_abi_v1"))
  (func $arg (param i32) (result i32)
    (i32.load (i32.mul (local.get 0) (i32.const 4))))
  (func $a (result i32) (call $arg (i32.const 1)))
  (func $b (result i32) (call $arg (i32.const 2)))
  (func $c (result i32) (call $arg (i32.const 3)))
  (func $d (result i32) (call $arg (i32.const 4)))
  (func (export "prepare") (param i32) (result i32)
    (local $r i64)
    (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 20)))
    (block $end
      (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
        (br_table $0 $1 $2 $3 $4 $5 (call $arg (i32.const 0))))
        (local.set $r (i64.extend_i32_u (call $input_read (call $a) (call $b) (call $c)))) (br $end))
        (local.set $r (i64.extend_i32_u (call $result_read (call $a) (call $b) (call $c)))) (br $end))
        (call $output_write (call $a) (call $b)) (br $end))
        (call $error_set (call $a) (call $b)) (br $end))
        (call $log (call $a) (call $b) (call $c)) (br $end))
      (local.set $r (call $call (call $a) (call $b) (call $c) (call $d))))
    (i64.store (i32.const 64) (local.get $r))
    (call $output_write (i32.const 64) (i32.const 8))
    (i32.const 0)))
