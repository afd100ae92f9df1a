/** Bounds on DICOM files and on what a modality sends, checked before memory is set aside. */
export const dicomLimits = {
	/** Longest file or received object, bytes: a cine loop of ultrasound in JPEG; larger ones belong on an archive. */
	maxFileBytes: 268_435_456,
	/** Values of one frame, over all colour channels: 8192 x 8192, four times the largest mammogram. */
	maxFrameValues: 67_108_864,
	/** Frames of one file. */
	maxFrames: 16_384,
	/** Milliseconds of the processor a compressed frame may take to decode, besides those for its values. */
	maxDecodeMs: 600,
	/** Values that a decoder has to do in a millisecond. */
	decodedValuesPerMs: 2000,
} as const;
