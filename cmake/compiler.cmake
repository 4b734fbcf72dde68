# Warnings and instrumentation, for everything that is ours.
add_library(tw_options INTERFACE)
target_compile_definitions(tw_options INTERFACE _GNU_SOURCE)
target_compile_options(tw_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum
    -Wimplicit-fallthrough -Wvla -Wundef -Wformat=2 -Wcast-align -Wpointer-arith -Wwrite-strings
    -fno-strict-overflow -fstack-protector-strong)
target_include_directories(tw_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
if(TCPWITNESS_WERROR)
    target_compile_options(tw_options INTERFACE -Werror)
endif()
if(TCPWITNESS_SANITIZE)
    target_compile_options(tw_options INTERFACE
        -fsanitize=${TCPWITNESS_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(tw_options INTERFACE -fsanitize=${TCPWITNESS_SANITIZE})
endif()
if(TCPWITNESS_COVERAGE)
    target_compile_options(tw_options INTERFACE --coverage -O0)
    target_link_options(tw_options INTERFACE --coverage)
endif()
if(TCPWITNESS_FUZZ)
    target_compile_options(tw_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What a packet passes is spread over many files, and calls between them are a tenth of its time. So the objects of src hold
# both forms, plain and for the linker's optimiser. Programs with the property TW_WHOLE_PROGRAM are optimised over all
# files; the others, tests most of all, are linked in no more time than ever.
add_library(tw_both_forms INTERFACE)
if(TCPWITNESS_LTO AND CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_BUILD_TYPE MATCHES "^Rel"
        AND NOT TCPWITNESS_SANITIZE AND NOT TCPWITNESS_COVERAGE)
    target_compile_options(tw_both_forms INTERFACE -flto=auto -ffat-lto-objects)
    # Not merely no -flto: the linker's plugin takes that form wherever it finds one.
    target_link_options(tw_options INTERFACE
        $<IF:$<BOOL:$<TARGET_PROPERTY:TW_WHOLE_PROGRAM>>,-flto=auto,-fno-lto>)
endif()
