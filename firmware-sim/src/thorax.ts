import type { Random } from "@psgl/sdk";

/** What a synthetic thorax shows. */
export type Finding = "normal" | "opacity" | "effusion" | "nodule";

/** A soft round spot: centre, half-widths, and the density it adds. */
interface Spot {
	readonly u: number;
	readonly v: number;
	readonly width: number;
	readonly height: number;
	readonly density: number;
}

/** Side of the coarse noise that lungs and soft tissue are mottled with. */
const textureSide = 9;

/** Smooth step from 0 at `low` to 1 at `high`. */
function ramp(low: number, high: number, value: number): number {
	const t = Math.min(1, Math.max(0, (value - low) / (high - low)));
	return t * t * (3 - 2 * t);
}

/** 1 in the middle of a spot, falling smoothly to 0 at its edge. */
function spotAt(spot: Spot, u: number, v: number): number {
	const du = (u - spot.u) / spot.width;
	const dv = (v - spot.v) / spot.height;
	const rest = 1 - du * du - dv * dv;
	return rest > 0 ? rest * rest * (3 - 2 * rest) : 0;
}

function between(random: Random, low: number, high: number): number {
	return low + (high - low) * random.uniform();
}

/**
 * Draws one synthetic frontal chest radiograph: body outline, lungs, heart, mediastinum, spine, diaphragm, ribs,
 * clavicles and hilar vessels, each varied from picture to picture, in a slightly turned, scaled and shifted frame,
 * with varied exposure and detector noise. Nothing in it comes from a patient.
 *
 * Coordinates (u, v) run from -1 to 1, v downwards; the patient's left lung is at positive u, as radiographs are
 * hung. A density of 0 is air, larger is brighter.
 *
 * @param target receives the picture, [size, size] bytes
 * @param difficulty 0 (plain findings, little noise) to 1 (faint findings, much noise)
 */
export function drawThorax(
	target: Uint8Array,
	size: number,
	finding: Finding,
	difficulty: number,
	random: Random,
): void {
	const angle = between(random, -0.08, 0.08);
	const zoom = between(random, 0.92, 1.08);
	const cos = Math.cos(angle) / zoom;
	const sin = Math.sin(angle) / zoom;
	const shiftU = between(random, -0.07, 0.07);
	const shiftV = between(random, -0.07, 0.07);
	const thorax = drawAnatomy(size, random);
	const lesion = drawLesion(finding, difficulty, thorax, random);
	const gain = between(random, 0.82, 1.08);
	// A bend of the tone curve, as film and detector processing differ: towards dark or towards bright.
	const bend = between(random, -0.2, 0.15);
	const noise = 0.015 + 0.045 * difficulty;
	for (let row = 0; row < size; row++) {
		const y = (2 * row + 1) / size - 1 - shiftV;
		for (let column = 0; column < size; column++) {
			const x = (2 * column + 1) / size - 1 - shiftU;
			const u = cos * x + sin * y;
			const v = cos * y - sin * x;
			const density = Math.max(0, thorax(u, v, lesion));
			const value = gain * density * (1 + bend * (1 - density)) + noise * random.normal();
			target[row * size + column] = Math.round(255 * Math.min(1, Math.max(0, value)));
		}
	}
}

/** What a finding changes in the anatomy. */
interface Lesion {
	readonly spots: readonly Spot[];
	/** Height in v that fluid reaches in one lung, and that lung's side (-1 or 1). */
	readonly fluid: { readonly side: number; readonly level: number } | undefined;
}

interface Anatomy {
	/** Density at a point. */
	(u: number, v: number, lesion: Lesion): number;
	/** A point well inside a lung, `depth` 0 (apex) to 1 (base). */
	readonly inLung: (side: number, across: number, depth: number) => { u: number; v: number };
}

/** Draws one person's proportions and returns the density they give. */
function drawAnatomy(size: number, random: Random): Anatomy {
	const edge = Math.max(0.05, 3 / size);
	const bodyWidth = between(random, 0.84, 0.98);
	const lungU = between(random, 0.4, 0.46);
	const lungV = between(random, -0.16, -0.08);
	const lungWidth = between(random, 0.29, 0.35);
	const lungHeight = between(random, 0.6, 0.7);
	const base = [between(random, 0.36, 0.5), between(random, 0.42, 0.56)];
	const dome = between(random, 0.1, 0.2);
	const heart = { u: between(random, 0.1, 0.18), v: between(random, 0.2, 0.3) };
	const heartWidth = between(random, 0.26, 0.36);
	const heartHeight = between(random, 0.26, 0.34);
	const ribPitch = between(random, 0.19, 0.24);
	const ribPhase = random.uniform();
	const ribSlope = between(random, 0.25, 0.5);
	const ribDensity = between(random, 0.06, 0.12);
	const clavicle = between(random, -0.78, -0.66);
	const mottle = between(random, 0.03, 0.07);
	const hila: Spot[] = [-1, 1].map((side) => ({
		u: side * between(random, 0.17, 0.24),
		v: between(random, -0.12, 0.06),
		width: between(random, 0.14, 0.24),
		height: between(random, 0.2, 0.36),
		density: between(random, 0.08, 0.2),
	}));
	const texture = Float64Array.from({ length: textureSide * textureSide }, () => random.normal());

	const density = (u: number, v: number, lesion: Lesion): number => {
		const side = u < 0 ? -1 : 1;
		const lateral = Math.abs(u);
		// Outline: neck, sloping shoulders, trunk.
		const halfWidth = bodyWidth * (0.36 + 0.64 * ramp(-1.02, -0.62, v));
		const body = 1 - ramp(halfWidth - edge, halfWidth + edge, lateral);
		if (body === 0) return 0.02;
		const across = (lateral - lungU) / (lungWidth * (0.9 + 0.22 * (v - lungV)));
		const along = (v - lungV) / lungHeight;
		const level = (base[side < 0 ? 0 : 1] as number) - dome * (1 - across * across);
		const inOutline = 1 - ramp(1 - 2 * edge, 1 + 2 * edge, across * across + along * along);
		const below = ramp(level - edge, level + edge, v);
		const cardiac = heartAt(u, v);
		let air = inOutline * (1 - below) * (1 - 0.9 * cardiac);
		if (lesion.fluid?.side === side) {
			// A meniscus: the fluid stands higher at the chest wall.
			const surface = lesion.fluid.level - 0.14 * Math.max(0, across) ** 2;
			air *= 1 - 0.92 * ramp(surface - 1.5 * edge, surface + 1.5 * edge, v);
		}
		const grain = textureAt(u, v);
		let sum = body * (0.58 + 0.03 * grain) - 0.42 * air;
		sum += Math.max(0.14 * (1 - ramp(0.1, 0.22, lateral)), 0.1 * cardiac * (1 - below)) + 0.1 * below * body;
		sum += ribsAt(lateral, v) * (0.4 + 0.6 * air);
		if (air === 0) return sum;
		sum += mottle * grain * air;
		for (const hilum of hila) sum += hilum.density * spotAt(hilum, u, v) * air;
		for (const spot of lesion.spots) sum += spot.density * spotAt(spot, u, v) * air * (1 + 0.25 * grain);
		return sum;
	};

	const heartAt = (u: number, v: number): number => {
		const du = (u - heart.u - 0.35 * (v - heart.v)) / heartWidth;
		const dv = (v - heart.v) / heartHeight;
		return 1 - ramp(1 - 3 * edge, 1 + 3 * edge, du * du + dv * dv);
	};

	// Ribs run downwards to the side; the clavicles cross the apices.
	const ribsAt = (lateral: number, v: number): number => {
		const inCage =
			ramp(-0.85, -0.7, v) * (1 - ramp(0.35, 0.6, v)) * ramp(0.1, 0.2, lateral) * (1 - ramp(0.75, 0.85, lateral));
		if (inCage === 0) return 0;
		const wave = Math.cos(2 * Math.PI * ((v - ribSlope * lateral * lateral) / ribPitch + ribPhase));
		const band = 1 - ramp(0.02, 0.02 + edge, Math.abs(v - clavicle + 0.12 * lateral));
		return inCage * (ribDensity * Math.max(0, wave) + 0.1 * band);
	};

	const textureAt = (u: number, v: number): number => {
		const x = Math.min(textureSide - 1.001, Math.max(0, ((u + 1) / 2) * (textureSide - 1)));
		const y = Math.min(textureSide - 1.001, Math.max(0, ((v + 1) / 2) * (textureSide - 1)));
		const at = Math.floor(y) * textureSide + Math.floor(x);
		const fx = x % 1;
		const fy = y % 1;
		const top = (texture[at] as number) * (1 - fx) + (texture[at + 1] as number) * fx;
		const bottom = (texture[at + textureSide] as number) * (1 - fx) + (texture[at + textureSide + 1] as number) * fx;
		return top * (1 - fy) + bottom * fy;
	};

	const inLung = (side: number, across: number, depth: number) => ({
		u: side * (lungU + across * lungWidth * 0.6),
		v: lungV - 0.6 * lungHeight + depth * ((base[side < 0 ? 0 : 1] as number) - dome - lungV + 0.6 * lungHeight),
	});
	return Object.assign(density, { inLung });
}

/** Draws where the finding is, how large, and how dense. */
function drawLesion(finding: Finding, difficulty: number, thorax: Anatomy, random: Random): Lesion {
	const side = random.uniform() < 0.5 ? -1 : 1;
	const strength = (0.6 - 0.4 * difficulty) * between(random, 0.75, 1.3);
	if (finding === "opacity") {
		// A consolidation: a few overlapping patches in one lung.
		const centre = thorax.inLung(side, between(random, -0.4, 0.8), between(random, 0.1, 0.85));
		const spots = Array.from({ length: 2 + random.integer(3) }, () => ({
			u: centre.u + 0.1 * random.normal(),
			v: centre.v + 0.12 * random.normal(),
			width: between(random, 0.16, 0.34),
			height: between(random, 0.16, 0.36),
			density: strength * 0.7,
		}));
		return { spots, fluid: undefined };
	}
	if (finding === "effusion") {
		const reach = between(random, 0.45, 0.8) + 0.15 * difficulty;
		return { spots: [], fluid: { side, level: thorax.inLung(side, 0, Math.min(0.9, reach)).v } };
	}
	if (finding === "nodule") {
		const centre = thorax.inLung(side, between(random, -0.6, 0.8), between(random, 0.1, 0.9));
		const radius = between(random, 0.12, 0.18);
		return { spots: [{ ...centre, width: radius, height: radius, density: strength * 1.8 }], fluid: undefined };
	}
	return { spots: [], fluid: undefined };
}
