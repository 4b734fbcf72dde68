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
