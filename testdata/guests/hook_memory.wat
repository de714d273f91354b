;; Exports something else under the name of its hook.
;; hooks: prepare
(module
  (memory (export "memory") (export "prepare") 1)
  (func (export "sourcehost_abi_v1"))
)
