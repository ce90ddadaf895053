# cmake -DINPUT=FILE -DOUTPUT=HEADER -DNAME=kName -P embed_file.cmake
# Writes a header with the bytes of INPUT as an array.
file(READ "${INPUT}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," array "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" array "${array}")
file(WRITE "${OUTPUT}"
  "// Generated.\n"
  "inline constexpr unsigned char ${NAME}[] = {\n${array}};\n"
  "inline constexpr int ${NAME}Bytes = ${bytes};\n")
