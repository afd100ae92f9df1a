/** Files as `psgl audit` leaves them, of an audit nobody made: two attacks on two victims. */
export function auditSample() {
	const sha256 = "a".repeat(64);
	const attack = (name: string, defended: number, undefended: number) => ({
		name,
		victims: 2,
		defended: { similarity: defended, psnr: 18.5, mse: 0.014 },
		undefended: { similarity: undefended, psnr: 24.1, mse: 0.004 },
		leak: (defended - 0.3) / (undefended - 0.3),
		leakBeyondLabel: (defended - 0.4) / (undefended - 0.4),
		weak: false,
	});
	const bytes = (of: (i: number) => number) =>
		Buffer.from(Uint8Array.from({ length: 64 }, (_, i) => of(i))).toString("base64");
	const samples = [bytes((i) => 4 * i), bytes((i) => 255 - 4 * i)];
	return {
		audit: {
			format: 1,
			origin: {
				command: "psgl audit small.psgl --data small.npz",
				artifact: { file: "small.psgl", name: "small", version: 1, sha256 },
				data: "small",
				budget: "quick",
				wire: "float16",
				program: "1.2.3",
				seed: 1,
			},
			complete: true,
			leak: 0.25,
			leakBeyondLabel: 0.04,
			worst: { leak: "decoder" },
			similarity: "ssim",
			anchors: { mean: 0.3, classMean: 0.4, undefended: 0.9 },
			reconstructions: [attack("decoder", 0.45, 0.9), attack("kernel-ridge", 0.38, 0.81)],
			inferences: [{ name: "linkage", value: 0.12, undefended: 0.71, chance: 0.02 }],
			utility: { samples: 100, balancedAccuracy: 0.83, undefended: 0.86 },
			release: { values: 16, bits: 64 },
			victims: 2,
			attackerSamples: 48,
			notes: [],
		},
		pictures: {
			sha256,
			victims: ["dark", "bright"],
			rows: [
				{ name: "original", kind: "original", shape: [1, 8, 8], samples },
				{ name: "what leaves", kind: "smashed", shape: [4, 4, 4], samples },
				{ name: "decoder", kind: "rebuilt", shape: [1, 8, 8], samples },
				{ name: "undefended", kind: "undefended", shape: [1, 8, 8], samples },
			],
		},
	};
}
