/** What follows the name of a packed file: Brotli over turned branches, and Brotli alone. The longer one first: both end alike. */
export const packedSuffixes = { x86: ".x86.br", plain: ".br" } as const;
