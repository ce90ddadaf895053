# cmake -DROOT=FOLDER -DFILES=A,B -DOUTPUT=HEADER -DNAME=kName -P EmbedFolder.cmake
# Writes a header with a table {path, text} of the files, paths below ROOT.
string(REPLACE "," ";" FILES "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file IN LISTS FILES)
  file(READ "${ROOT}/${file}" hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${hex}")
  string(APPEND arrays "inline constexpr unsigned char ${NAME}${index}[] = {${array}};\n")
  string(APPEND rows "    {\"${file}\", ${NAME}${index}, ${bytes}},\n")
  math(EXPR index "${index} + 1")
endforeach()
get_filename_component(folder "${OUTPUT}" DIRECTORY)
file(MAKE_DIRECTORY "${folder}")
file(WRITE "${OUTPUT}"
  "// Generated.\n#pragma once\nnamespace operant {\n"
  "struct ${NAME}Row {\n  const char* path;\n  const unsigned char* bytes;\n  int size;\n};\n"
  "${arrays}inline constexpr ${NAME}Row ${NAME}[] = {\n${rows}};\n}  // namespace operant\n")
