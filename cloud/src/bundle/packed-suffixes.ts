/** What follows the name of a packed library: Brotli, and Brotli over turned branches. The longer one first: both end alike. */
export const packedSuffixes = { x64: ".x86.br", arm64: ".br" } as const;
