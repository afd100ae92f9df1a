import { useEffect, useRef } from "preact/hooks";

interface SampleCanvasProps {
	/** Of the sample: [C,H,W], [C,L], or [k] of a code. */
	readonly shape: readonly number[];
	/** A byte for each value, base64. */
	readonly values: string;
	/** Channels of smashed data stand side by side; three channels of a sample are colours. */
	readonly smashed: boolean;
	readonly label: string;
}

/** One sample as a picture, a plot or the bars of a code. */
export function SampleCanvas({ shape, values, smashed, label }: SampleCanvasProps) {
	const ref = useRef<HTMLCanvasElement>(null);
	useEffect(() => {
		const canvas = ref.current;
		const context = canvas?.getContext("2d");
		if (canvas === null || context === null || context === undefined) return;
		const bytes = Uint8Array.from(atob(values), (character) => character.charCodeAt(0));
		if (shape.length === 1) drawBars(canvas, context, bytes);
		else if (shape.length === 2 && !smashed) drawSignal(canvas, context, bytes, shape);
		else drawPicture(canvas, context, bytes, shape.length === 2 ? [shape[0] ?? 1, 1, shape[1] ?? 1] : shape, smashed);
	}, [shape, values, smashed]);
	return <canvas ref={ref} role="img" aria-label={label} width={1} height={1} />;
}

function drawPicture(
	canvas: HTMLCanvasElement,
	context: CanvasRenderingContext2D,
	bytes: Uint8Array,
	[channels = 1, height = 1, width = 1]: readonly number[],
	smashed: boolean,
): void {
	const coloured = channels === 3 && !smashed;
	const shown = smashed ? channels : 1;
	const columns = height === 1 ? 1 : Math.ceil(Math.sqrt(shown));
	canvas.width = columns * width;
	canvas.height = Math.ceil(shown / columns) * height;
	const image = context.createImageData(canvas.width, canvas.height);
	const plane = height * width;
	for (let c = 0; c < shown; c++) {
		const [x0, y0] = [(c % columns) * width, Math.floor(c / columns) * height];
		for (let i = 0; i < plane; i++) {
			const at = 4 * ((y0 + Math.floor(i / width)) * canvas.width + x0 + (i % width));
			for (let k = 0; k < 3; k++) image.data[at + k] = bytes[(coloured ? k : c) * plane + i] ?? 0;
			image.data[at + 3] = 255;
		}
	}
	context.putImageData(image, 0, 0);
}

function drawSignal(
	canvas: HTMLCanvasElement,
	context: CanvasRenderingContext2D,
	bytes: Uint8Array,
	[channels = 1, length = 1]: readonly number[],
): void {
	canvas.width = 168;
	canvas.height = 96;
	context.strokeStyle = getComputedStyle(canvas).color;
	context.lineWidth = 1.5;
	for (let c = 0; c < channels; c++) {
		context.beginPath();
		for (let i = 0; i < length; i++) {
			const x = (canvas.width * i) / Math.max(length - 1, 1);
			context.lineTo(x, canvas.height * (1 - (bytes[c * length + i] ?? 0) / 255));
		}
		context.stroke();
	}
}

function drawBars(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, bytes: Uint8Array): void {
	canvas.width = canvas.height = 96;
	context.fillStyle = getComputedStyle(canvas).color;
	const step = canvas.width / bytes.length;
	for (const [i, byte] of bytes.entries()) {
		const high = (canvas.height * (byte - 127.5)) / 255;
		context.fillRect(step * (i + 0.15), canvas.height / 2 - Math.max(high, 0), 0.7 * step, Math.abs(high));
	}
}
