import { attributes, type GraphBuilder, type Value } from "@psgl/models";
import { tensor } from "@psgl/sdk";
import test from "ava";
import fc from "fast-check";
import { gradientProperty, smallShape } from "../../helpers/gradient-property.js";
import { normalTensor } from "../../helpers/operator-gradients.js";

const { int, string } = attributes;

/** Linear in each input: large steps lose nothing. */
const linear = { runs: 30, step: 0.5, tolerance: 1e-4 };

/** One number for each of up to four axes. */
const perAxis = (min: number, max: number) => fc.array(fc.integer({ min, max }), { minLength: 4, maxLength: 4 });

/** An axis of that many, counted from the front or from the back. */
const axisOf = (rank: number, at: number, fromBack: boolean) => (at % rank) - (fromBack ? rank : 0);

/** Axes in the order drawn, each from the front or from the back; some are left out. */
const someAxes = (rank: number, order: readonly number[], fromBack: boolean) =>
	[...new Set(order.map((at) => at % rank))].map((axis) => axisOf(rank, axis, fromBack));

test("Pad: drawn shapes, axes, pads that add and cut, in every mode", async (t) => {
	await gradientProperty(
		fc.record({
			shape: smallShape,
			mode: fc.constantFrom("constant", "constant", "edge", "reflect"),
			before: perAxis(-2, 3),
			after: perAxis(-2, 3),
			order: perAxis(0, 3),
			named: fc.boolean(),
			fromBack: fc.boolean(),
		}),
		({ shape, mode, before, after, order, named, fromBack }, random) => {
			const rank = shape.length;
			const axes = named ? someAxes(rank, order, fromBack) : shape.map((_, axis) => axis);
			const limited = (pads: readonly number[], room: (extent: number) => number) =>
				axes.map((axis) => {
					const extent = shape.at(axis) as number;
					const pad = pads[(axis + rank) % rank] as number;
					// Copies of pixels add only, mirrored ones as many as there are beside the edge; cutting leaves one pixel at least.
					if (mode === "reflect") return Math.min(Math.max(pad, 0), extent - 1);
					return mode === "edge" ? Math.max(pad, 0) : Math.max(pad, -room(extent));
				});
			const begin = limited(before, (extent) => Math.floor((extent - 1) / 2));
			const end = limited(after, (extent) => Math.ceil((extent - 1) / 2));
			const build = (g: GraphBuilder, { data }: Readonly<Record<string, Value>>) => {
				const pads = g.ints([...begin, ...end]);
				return g.add("Pad", [data, pads, g.scalar(0.5), named ? g.ints(axes) : undefined], { mode: string(mode) });
			};
			const untouched = !named || axes.every((axis) => (axis + rank) % rank !== 0);
			const whole = begin[0] === 0 && end[0] === 0;
			const batched = untouched && (named || whole) ? ["data"] : [];
			return { inputs: { data: normalTensor(random, shape) }, build, batched };
		},
		linear,
	);
	t.pass();
});

test("Slice: drawn shapes, axes, bounds within and beyond, steps forward and backward", async (t) => {
	await gradientProperty(
		fc.record({
			shape: smallShape,
			first: perAxis(0, 4),
			count: perAxis(1, 5),
			steps: fc.array(fc.constantFrom(1, 2, 3, -1, -2, -3), { minLength: 4, maxLength: 4 }),
			order: perAxis(0, 3),
			fromBack: fc.boolean(),
			beyond: fc.boolean(),
		}),
		({ shape, first, count, steps, order, fromBack, beyond }, random) => {
			const rank = shape.length;
			const axes = someAxes(rank, order, fromBack);
			const bounds = axes.map((axis) => {
				const at = (axis + rank) % rank;
				const extent = shape[at] as number;
				const step = steps[at] as number;
				const start = (first[at] as number) % extent;
				const stop = start + (count[at] as number) * step;
				// What lies beyond an end is written as far away as ONNX allows; inside, either from the front or from the back.
				const end = step > 0 ? (stop >= extent ? (beyond ? 2 ** 31 - 1 : extent) : stop) : stop < 0 ? -(2 ** 31) : stop;
				return { start: fromBack ? start - extent : start, end, step };
			});
			const build = (g: GraphBuilder, { data }: Readonly<Record<string, Value>>) =>
				g.add("Slice", [
					data,
					g.ints(bounds.map(({ start }) => start)),
					g.ints(bounds.map(({ end }) => end)),
					g.ints(axes),
					g.ints(bounds.map(({ step }) => step)),
				]);
			const batched = axes.every((axis) => (axis + rank) % rank !== 0) ? ["data"] : [];
			return { inputs: { data: normalTensor(random, shape) }, build, batched };
		},
		linear,
	);
	t.pass();
});

test("Gather: drawn shapes, axes, and indices of none to two axes, from the front and from the back", async (t) => {
	await gradientProperty(
		fc.record({
			shape: smallShape,
			at: fc.nat(3),
			fromBack: fc.boolean(),
			of: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
			drawn: fc.array(fc.nat(99), { minLength: 16, maxLength: 16 }),
			negative: fc.boolean(),
		}),
		({ shape, at, fromBack, of, drawn, negative }, random) => {
			const rank = shape.length;
			const axis = axisOf(rank, at, fromBack);
			const extent = shape.at(axis) as number;
			const total = of.reduce((a, b) => a * b, 1);
			const places = drawn.slice(0, total).map((one) => BigInt((one % extent) - (negative ? extent : 0)));
			const indices = tensor("int64", of, BigInt64Array.from(places));
			const build = (g: GraphBuilder, { data }: Readonly<Record<string, Value>>) =>
				g.add("Gather", [data, g.constant(indices)], { axis: int(axis) });
			const batched = (axis + rank) % rank === 0 ? [] : ["data"];
			return { inputs: { data: normalTensor(random, shape) }, build, batched };
		},
		linear,
	);
	t.pass();
});

test("Concat: drawn shapes and axes, one to four parts, the same part twice", async (t) => {
	await gradientProperty(
		fc.record({
			shape: smallShape,
			at: fc.nat(3),
			fromBack: fc.boolean(),
			extents: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
			twice: fc.boolean(),
		}),
		({ shape, at, fromBack, extents, twice }, random) => {
			const rank = shape.length;
			const axis = axisOf(rank, at, fromBack);
			const along = (axis + rank) % rank;
			const parts = extents.map((extent, i) => {
				const dims = shape.map((other, k) => (k === along ? extent : other));
				return [`part${i}`, normalTensor(random, dims)] as const;
			});
			const inputs = Object.fromEntries(parts);
			const build = (g: GraphBuilder, values: Readonly<Record<string, Value>>) => {
				const given = parts.map(([name]) => values[name] as Value);
				return g.add("Concat", twice ? [...given, given[0]] : given, { axis: int(axis) });
			};
			return { inputs, build, batched: along === 0 ? [] : Object.keys(inputs) };
		},
		linear,
	);
	t.pass();
});
