/**
 * The note for a file where an exporter computed weights of convolutions, which it names after the node then. PyTorch does so in
 * evaluation mode with the batch normalisations behind them (`torch.onnx.export`, fusing of Conv and BatchNormalization).
 *
 * @param weights names in the file
 */
export function fusedNormalisation(weights: ReadonlySet<string>): readonly string[] {
	const fused = [...weights].find((name) => /^onnx::Conv_\d+$/.test(name));
	if (fused === undefined) return [];
	return [
		`The exporter computed weights of convolutions (${fused}): batch normalisations behind them are gone. To train with these, export with training=torch.onnx.TrainingMode.TRAINING and do_constant_folding=False`,
	];
}
