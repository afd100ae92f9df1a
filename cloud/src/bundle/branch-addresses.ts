/** Branches of x86 code, turned so that equal targets are equal bytes: code compresses better so (the filter of LZX and xz's BCJ). */

/** One byte of CALL or JMP, four of the distance to its target. */
const operandBytes = 4;
const isBranch = (byte: number | undefined): boolean => byte === 0xe8 || byte === 0xe9;

/** Distances to absolute addresses, the high byte first; `restoreBranches` gives back the same bytes, whatever they were. */
export function turnBranches(code: Uint8Array): Uint8Array {
	const size = code.byteLength;
	return eachOperand(code, (view, at) => {
		const distance = view.getInt32(at + 1, true);
		// Addresses outside of the code cannot be told apart from what is no branch: they stay.
		const turned =
			distance < -at || distance >= size ? distance : distance < size - at ? distance + at : distance - size;
		view.setInt32(at + 1, turned);
	});
}

/** What `turnBranches` was given. */
export function restoreBranches(turned: Uint8Array): Uint8Array {
	const size = turned.byteLength;
	return eachOperand(turned, (view, at) => {
		const address = view.getInt32(at + 1);
		const distance = address < -at || address >= size ? address : address >= 0 ? address - at : address + size;
		view.setInt32(at + 1, distance, true);
	});
}

/** Changes operands in a copy. The bytes it looks for are never changed, so that both ways find the same places. */
function eachOperand(source: Uint8Array, change: (view: DataView, at: number) => void): Uint8Array {
	const bytes = Uint8Array.from(source);
	const view = new DataView(bytes.buffer);
	for (let at = 0; at + operandBytes < bytes.byteLength; at++) {
		if (!isBranch(bytes[at])) continue;
		change(view, at);
		at += operandBytes;
	}
	return bytes;
}
