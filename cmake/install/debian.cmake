# CPack runs this on what it is going to pack: where Debian has a way of its own.
set(share ${CPACK_TEMPORARY_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX}/share)
file(RENAME ${share}/zsh/site-functions ${share}/zsh/vendor-completions)
execute_process(COMMAND gzip --best --no-name ${share}/man/man1/bgem3.1 COMMAND_ERROR_IS_FATAL ANY)
