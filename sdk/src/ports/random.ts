import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Port for randomness. The same seed gives the same run. */
export interface Random {
	/** Uniform in [0, 1). */
	uniform(): number;
	/** Uniform integer in [0, bound). */
	integer(bound: number): number;
	/** Standard normal. */
	normal(): number;
	/** Gamma(shape, 1), for Dirichlet draws (Marsaglia and Tsang, ACM TOMS 26(3), 2000). */
	gamma(shape: number): number;
	/** 0..count-1 in random order (Fisher-Yates). */
	permutation(count: number): Uint32Array;
	/** An independent generator, for a part of the run named by `name`. */
	fork(name: string): Random;
}

/** Generator for `seed` (an integer; 32 bits are used). */
export function seededRandom(seed: number): Random {
	const generator = xoroshiro128plus(scatter(seed));
	let spareNormal: number | undefined;
	const uniform = () => uniformFloat64(generator);
	const normal = (): number => {
		if (spareNormal !== undefined) {
			const value = spareNormal;
			spareNormal = undefined;
			return value;
		}
		const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
		const angle = 2 * Math.PI * uniform();
		spareNormal = radius * Math.sin(angle);
		return radius * Math.cos(angle);
	};
	const gamma = (shape: number): number => {
		if (shape < 1) return gamma(shape + 1) * (1 - uniform()) ** (1 / shape);
		const d = shape - 1 / 3;
		const c = 1 / Math.sqrt(9 * d);
		for (;;) {
			const x = normal();
			const v = (1 + c * x) ** 3;
			if (v > 0 && Math.log(1 - uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
		}
	};
	const integer = (bound: number) => uniformInt(generator, 0, bound - 1);
	return {
		uniform,
		integer,
		normal,
		gamma,
		permutation(count) {
			const order = Uint32Array.from({ length: count }, (_, i) => i);
			for (let i = count - 1; i > 0; i--) {
				const j = integer(i + 1);
				const moved = order[i] as number;
				order[i] = order[j] as number;
				order[j] = moved;
			}
			return order;
		},
		// The fork depends on the seed and the name only, not on how many numbers were drawn before.
		fork: (name) => seededRandom(hashName(seed, name)),
	};
}

/** FNV-1a over the bytes of the seed and then of the name. */
function hashName(seed: number, name: string): number {
	let hash = 0x811c9dc5;
	const add = (byte: number) => {
		hash = Math.imul(hash ^ byte, 0x01000193);
	};
	for (let shift = 0; shift < 32; shift += 8) add((seed >>> shift) & 0xff);
	for (let i = 0; i < name.length; i++) add(name.charCodeAt(i));
	return hash;
}

/**
 * MurmurHash3's finaliser. The generator's first numbers are almost its seed, so without this neighbouring seeds, and
 * forks whose names differ in the last letter, would start alike: devices would back off in step.
 */
function scatter(seed: number): number {
	let h = (seed + 0x9e3779b9) | 0;
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return h ^ (h >>> 16);
}
