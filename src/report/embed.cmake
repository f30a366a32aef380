# The files of src/report/page/ as C: included by CMakeLists.txt it adds the rule, run as a script (-P) it does the work.
#
#   html_style = {bytes of page.css, their number}, and so on (src/report/internal.h)
set(ts_page_style page.css)
set(ts_page_script page.js)
set(ts_page_browser browser.html)

if(CMAKE_SCRIPT_MODE_FILE)
  set(text "#include \"report/internal.h\"\n")
  foreach(name style script browser)
    file(READ ${TS_PAGE_DIR}/${ts_page_${name}} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
    string(APPEND text "\nstatic const unsigned char ${name}[] = {\n${bytes}0};\n"
                       "const struct html_asset html_${name} = {(const char *)${name}, sizeof(${name}) - 1};\n")
  endforeach()
  file(WRITE ${TS_PAGE_OUT} "${text}")
else()
  set(ts_page_out ${CMAKE_BINARY_DIR}/generated/report_page.c)
  set(ts_page_dir ${CMAKE_SOURCE_DIR}/src/report/page)
  add_custom_command(OUTPUT ${ts_page_out}
    COMMAND ${CMAKE_COMMAND} -DTS_PAGE_DIR=${ts_page_dir} -DTS_PAGE_OUT=${ts_page_out} -P ${CMAKE_SOURCE_DIR}/src/report/embed.cmake
    DEPENDS ${ts_page_dir}/${ts_page_style} ${ts_page_dir}/${ts_page_script} ${ts_page_dir}/${ts_page_browser}
            ${CMAKE_SOURCE_DIR}/src/report/embed.cmake
    COMMENT "Embedding the page of report.html" VERBATIM)
  target_sources(ts_report PRIVATE ${ts_page_out})
endif()
