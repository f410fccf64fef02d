# A text file as a C string: cmake -DFILE=prelude.cl -DNAME=opencl_prelude -DOUT=prelude.c -P embed_text.cmake
file(READ ${FILE} content)
string(REPLACE "\\" "\\\\" content "${content}")
string(REPLACE "\"" "\\\"" content "${content}")
string(REPLACE "\n" "\\n\"\n    \"" content "${content}")
file(WRITE ${OUT} "/* Made at build from a text file. */\nextern const char ${NAME}[];\nconst char ${NAME}[] =\n    \"${content}\";\n")
