export { type AttackVariant, fgsm, jsmaAttack, pgd10, type SignAttack, signAttack } from "./attacks/white-box.js";
export { differentiate, type Seed } from "./autodiff/differentiate.js";
export {
	type CompileOptions,
	clientHalf,
	compileArtifact,
	compileModel,
	modelLayout,
	withWeights,
} from "./compile/compile-model.js";
export type { ModelDefinition, ModelLayout } from "./compile/model-definition.js";
export { defaultOptimiser, type PrivacyMode, presetDefinition, privacyModes } from "./compile/presets.js";
export { equalClassWeights } from "./compile/server-streams.js";
export { DeployedSystem, type DeviceOutput } from "./evaluation/deployed-system.js";
export { type ClassificationMetrics, classificationMetrics } from "./evaluation/metrics.js";
export {
	type AttackName,
	attackedAccuracy,
	attackNames,
	type RobustnessOptions,
	type RowAccuracy,
} from "./evaluation/robustness.js";
export { type TransitLoss, type TransitLossOptions, transitLoss } from "./evaluation/transit-loss.js";
export * as attributes from "./graph/attribute.js";
export { GraphBuilder } from "./graph/builder.js";
export type { Dim, Graph, Node, Shape, Value, ValueType } from "./graph/graph.js";
export { type CrossEntropyOperands, crossEntropy } from "./losses/cross-entropy.js";
export { meanSquaredError } from "./losses/mean-squared-error.js";
export { encodeModel } from "./onnx/write.js";
export { type AdamSettings, adam, adamSlotsPerParameter } from "./optimisers/adam.js";
export {
	type OptimiserOperands,
	type OptimiserResult,
	type OptimiserStep,
	optimiserStep,
} from "./optimisers/optimiser.js";
export { type SgdSettings, sgd, sgdSlotsPerParameter } from "./optimisers/sgd.js";
export { fitMaskedPrior, type MaskedPrior } from "./recovery/fit-masked-prior.js";
export { JointTrainer, type JointTrainerOptions, type StepResult } from "./training/joint-trainer.js";
export { zoo, zooNetwork } from "./zoo/index.js";
export type { SplitNetwork } from "./zoo/split-network.js";
