# Everything that is derived from the operator files ops/<family>/<op>.op.h:
#   gen/op_table.inc        includes all of them and lists them (X macro), for the registry
#   gen/unit_<c>.cpp        their CPU cells, chunked by a hash of the name: a new operator rebuilds one chunk
#   gen/op_hash.h           GEMS_OP_TABLE_HASH: core and a backend with compiled-in operators must agree on the table
#   gen/embedded_sources.cpp  text of ops, kernels/lang, kernels/simt and include/gems/{op,dtype}.h for run-time compilation
file(GLOB GEMS_OP_HEADERS RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/*/*.op.h)
list(SORT GEMS_OP_HEADERS)
set(GEMS_GEN ${PROJECT_BINARY_DIR}/gen)
set(GEMS_CHUNKS "")
set(all "")
set(xlist "")
foreach(h ${GEMS_OP_HEADERS})
  get_filename_component(n ${h} NAME)
  string(REPLACE ".op.h" "" n ${n})
  string(MD5 d ${n})
  string(SUBSTRING ${d} 0 1 c)
  list(APPEND GEMS_CHUNKS ${c})
  string(APPEND inc_${c} "#include \"${h}\"\n")
  string(APPEND cells_${c} "GEMS_CELLS(${n})\n")
  string(APPEND all "#include \"${h}\"\n")
  string(APPEND xlist " \\\n  X(${n}, \"${h}\")")
endforeach()
list(REMOVE_DUPLICATES GEMS_CHUNKS)
file(CONFIGURE OUTPUT ${GEMS_GEN}/op_table.inc @ONLY CONTENT "#include \"kernels/lang/lang.h\"\n#include \"kernels/lang/moments.h\"\n#include \"kernels/lang/random.h\"\nnamespace {\nnamespace op {\n${all}}\n}\n#define GEMS_OPS(X)${xlist}\n")
string(MD5 GEMS_OP_TABLE_HASH "${xlist}")
file(CONFIGURE OUTPUT ${GEMS_GEN}/op_hash.h @ONLY CONTENT "#define GEMS_OP_TABLE_HASH \"${GEMS_OP_TABLE_HASH}\"\n")
set(GEMS_UNITS "")
foreach(c ${GEMS_CHUNKS})
  file(CONFIGURE OUTPUT ${GEMS_GEN}/unit_${c}.cpp @ONLY CONTENT
"#include \"kernels/simd/unit_prologue.h\"
namespace {
#include \"kernels/lang/lang.h\"
#include \"kernels/lang/moments.h\"
#include \"kernels/lang/random.h\"
namespace op {
${inc_${c}}}
#include \"kernels/simd/unit.h\"
}
${cells_${c}}")
  list(APPEND GEMS_UNITS ${GEMS_GEN}/unit_${c}.cpp)
endforeach()

file(GLOB_RECURSE GEMS_EMBEDDED RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/ops/*.h ${PROJECT_SOURCE_DIR}/kernels/lang/*.h ${PROJECT_SOURCE_DIR}/kernels/simt/*.cuh)
list(APPEND GEMS_EMBEDDED include/gems/op.h include/gems/dtype.h)
list(SORT GEMS_EMBEDDED)  # written by core/CMakeLists.txt
