/** Platforms `psgl bundle` packs for. */
export const targets = ["linux-arm64", "linux-x64"] as const;

export type Target = (typeof targets)[number];

/** Processor of a platform as Node.js names it. */
export const architecture = (target: Target): "arm64" | "x64" => (target === "linux-arm64" ? "arm64" : "x64");
