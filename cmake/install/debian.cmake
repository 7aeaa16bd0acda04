# CPack runs this on what it is going to pack. Debian's zsh looks for the completions of packages in a folder of its own.
set(zsh ${CPACK_TEMPORARY_DIRECTORY}${CPACK_PACKAGING_INSTALL_PREFIX}/share/zsh)
file(RENAME ${zsh}/site-functions ${zsh}/vendor-completions)
