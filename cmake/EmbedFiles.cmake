# cmake -DINPUTS=A,B -DNAMES=kA,kB -DOUTPUT=HEADER -P EmbedFiles.cmake
# Writes a header with the bytes of each file as an array and its size.
string(REPLACE "," ";" INPUTS "${INPUTS}")
string(REPLACE "," ";" NAMES "${NAMES}")
set(text "// Generated from ${INPUTS}.\n")
foreach(input name IN ZIP_LISTS INPUTS NAMES)
  file(READ "${input}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${hex}")
  string(APPEND text
    "inline constexpr unsigned char ${name}[] = {\n${array}};\n"
    "inline constexpr int ${name}Bytes = ${bytes};\n")
endforeach()
get_filename_component(folder "${OUTPUT}" DIRECTORY)
file(MAKE_DIRECTORY "${folder}")
file(WRITE "${OUTPUT}" "${text}")
