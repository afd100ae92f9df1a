export { type GradientMatching, gradientMatching } from "./attacks/gradient-matching.js";
export { type AttackVariant, fgsm, jsmaAttack, pgd10, type SignAttack, signAttack } from "./attacks/white-box.js";
export { type Anchors, anchors } from "./audit/anchors.js";
export {
	type AttackDescription,
	type AuditAttackName,
	auditAttackNames,
	type InferenceName,
	inferenceAttacks,
	isReconstruction,
	quickAttackNames,
	type ReconstructionAttack,
	type ReconstructionName,
	reconstructionAttacks,
} from "./audit/attack-catalogue.js";
export type { AttackScene, Reconstruction, Releases } from "./audit/attack-scene.js";
export { type AuditBudget, type AuditBudgetName, auditBudgets } from "./audit/audit-budget.js";
export { type AttackerSet, type AuditData, auditData, auditLimits } from "./audit/audit-data.js";
export type { AttackedBoth, AuditEvent, AuditOptions } from "./audit/audit-options.js";
export type {
	AuditPictures,
	AuditResult,
	InferenceResult,
	ReconstructionFigures,
	ReconstructionResult,
	SkippedAttack,
} from "./audit/audit-result.js";
export { AuditTarget, type AuditTargetOptions } from "./audit/audit-target.js";
export { clientGradients, loadClientGradient, type SampleGradients } from "./audit/client-gradients.js";
export { Discriminator } from "./audit/discriminator.js";
export { distanceCorrelation } from "./audit/distance-correlation.js";
export { dynamicTimeWarping } from "./audit/dynamic-time-warping.js";
export { type LabelInferenceResult, labelInference } from "./audit/label-inference.js";
export { isWeak, type Leak, type LeakAnchors, leakOf } from "./audit/leak.js";
export { type LinkageResult, linkage } from "./audit/linkage.js";
export { membershipInference } from "./audit/membership-inference.js";
export { openScene, releasesOf, type SceneData, type SceneOptions } from "./audit/open-scene.js";
export {
	type QuickLeak,
	type QuickLeakOptions,
	quickLeak,
	quickLeakBudget,
	type RebuiltSamples,
} from "./audit/quick-leak.js";
export { perceptualDistance, type Recognised, Recogniser } from "./audit/recogniser.js";
export { type Quality, ReconstructionQuality } from "./audit/reconstruction-quality.js";
export { runAudit } from "./audit/run-audit.js";
export type { ReleaseOptions } from "./audit/sending.js";
export { shuffledWeights } from "./audit/shuffled-weights.js";
export { signalCorrelation } from "./audit/signal-correlation.js";
export { type SignalFigures, signalFigures } from "./audit/signal-figures.js";
export { type SimilarityKind, similarityKind } from "./audit/similarity.js";
export { structuralSimilarity } from "./audit/structural-similarity.js";
export { type CodePoint, sweepCodes, sweptCodes } from "./audit/sweep-codes.js";
export { TrainingClient } from "./audit/training-client.js";
export { VictimDevice } from "./audit/victim-device.js";
export { differentiate, type Seed } from "./autodiff/differentiate.js";
export { hessianVectorProduct } from "./autodiff/hessian-vector-product.js";
export { type Augmentation, augmented } from "./blocks/augmentation.js";
export { codeHead, codeNumbers } from "./blocks/code-numbers.js";
export { convSumFusion } from "./blocks/conv-sum-fusion.js";
export { decisionFusion, type StreamDecision, streamPriors } from "./blocks/decision-fusion.js";
export { inverseSquareRoot, matrixSign } from "./blocks/newton-schulz.js";
export { dequantise, type Quantised, quantiseFloat16, quantiseInt8, wireGraphs } from "./blocks/quantise.js";
export { codeLevels, type QuantisedCode, quantiseCode } from "./blocks/quantise-code.js";
export type { Recovery } from "./blocks/recovery.js";
export type { RecoveryGradient } from "./blocks/recovery-gradient.js";
export { type MaskedRecoveryOptions, type MaskedSmashedData, recoverMasked } from "./blocks/recovery-masked.js";
export { type RpcaRecoveryOptions, recoveryRpca } from "./blocks/recovery-rpca.js";
export { recoverySvt, type SvtRecoveryOptions } from "./blocks/recovery-svt.js";
export { packClientInput, reversibleDownsampling, reversibleUpsampling } from "./blocks/reversible-downsampling.js";
export { robustPerturbation } from "./blocks/robust-perturbation.js";
export {
	mapFromJacobian,
	perturb,
	type SaliencyMap,
	type SaliencyMapOptions,
	saliencyMap,
} from "./blocks/saliency-map.js";
export { signPolynomials } from "./blocks/sign-polynomials.js";
export { singularValueThresholding, type Threshold, type Thresholded } from "./blocks/singular-value-thresholding.js";
export { spectralRadius } from "./blocks/spectral-radius.js";
export { withinClassShare } from "./blocks/within-class-share.js";
export { attackJsmaGraph } from "./compile/attack-graphs.js";
export { batchProducts } from "./compile/batch-products.js";
export {
	type CompileOptions,
	clientHalf,
	compileArtifact,
	compileModel,
	modelLayout,
	withWeights,
} from "./compile/compile-model.js";
export { type ExportOptions, exportModel } from "./compile/export-model.js";
export type { ModelDefinition, ModelLayout } from "./compile/model-definition.js";
export {
	defaultOptimiser,
	type PrivacyMode,
	presetCode,
	presetDefinition,
	presetTail,
	privacyModes,
	recordBits,
} from "./compile/presets.js";
export { privacyName } from "./compile/privacy-name.js";
export { equalClassWeights } from "./compile/server-streams.js";
export { ClientWork, type ClientWorkOptions } from "./evaluation/client-work.js";
export { type DecisionMetrics, decisionMetrics, metricsOn } from "./evaluation/decision-metrics.js";
export { type DeployedMetricsOptions, deployedMetrics, type RowMetrics } from "./evaluation/deployed-metrics.js";
export { DeployedSystem, type DeviceOutput } from "./evaluation/deployed-system.js";
export { type ClassificationMetrics, classificationMetrics } from "./evaluation/metrics.js";
export { type MultiLabelMetrics, multiLabelMetrics } from "./evaluation/multi-label-metrics.js";
export {
	type AttackName,
	attackedAccuracy,
	attackNames,
	type RobustnessOptions,
	type RowAccuracy,
} from "./evaluation/robustness.js";
export { type TransitLoss, type TransitLossOptions, transitLoss } from "./evaluation/transit-loss.js";
export { type ChosenCut, type CutLimits, chooseCut } from "./foreign/choose-cut.js";
export { type DeviceProfile, deviceProfiles } from "./foreign/device-profiles.js";
export { type ForeignModel, type ForeignModelOptions, readForeignModel } from "./foreign/foreign-model.js";
export { type ImportedNetwork, type ImportNetworkOptions, importNetwork } from "./foreign/import-network.js";
export { type CutCandidate, type CutEstimate, listCuts } from "./foreign/list-cuts.js";
export type { Normalisation } from "./foreign/normalise-input.js";
export * as attributes from "./graph/attribute.js";
export { GraphBuilder } from "./graph/builder.js";
export type { Dim, Graph, Node, Shape, Value, ValueType } from "./graph/graph.js";
export {
	batchNormalisation,
	type NormalisationOptions,
	type NormalisationParameters,
	type NormalisationResult,
} from "./layers/batch-normalisation.js";
export { type ConvolutionOptions, convolution } from "./layers/convolution.js";
export { dense } from "./layers/dense.js";
export { type DropoutOptions, type Dropped, dropout } from "./layers/dropout.js";
export { groupNormalised } from "./layers/group-normalised.js";
export { normalised } from "./layers/normalised.js";
export type { Initialiser, LayoutEntry, ParameterLayout } from "./layers/parameter-layout.js";
export {
	type BoundSegment,
	bindSegment,
	declareSegment,
	ParameterScope,
	pack,
	packStatistics,
	type SegmentLayout,
} from "./layers/parameter-scope.js";
export { flatten, globalAverage, halving, maxPool } from "./layers/pooling.js";
export { type BinaryCrossEntropyOperands, binaryCrossEntropy } from "./losses/binary-cross-entropy.js";
export { type CrossEntropyOperands, crossEntropy } from "./losses/cross-entropy.js";
export { type FocalOperands, focal } from "./losses/focal.js";
export { type LossOperands, lossOf, probabilitiesOf, targetShape } from "./losses/loss.js";
export { meanSquaredError } from "./losses/mean-squared-error.js";
export { type SquaredScoreErrorOperands, squaredScoreError } from "./losses/squared-score-error.js";
export type { DropoutTreatment } from "./onnx/dropout-rule.js";
export type { ExternalData } from "./onnx/external-data.js";
export { externalDataFolder } from "./onnx/external-data-folder.js";
export type { ImportBindings } from "./onnx/import-bindings.js";
export { importModel } from "./onnx/import-model.js";
export { onnxLimits } from "./onnx/limits.js";
export { type OperatorSupport, operatorSupport } from "./onnx/operator-support.js";
export { decodeModel } from "./onnx/read.js";
export { encodeModel } from "./onnx/write.js";
export { accumulated, withGradients } from "./optimisers/accumulated.js";
export { type AdamOperands, type AdamSettings, adam } from "./optimisers/adam.js";
export { adamSlotsPerParameter } from "./optimisers/adam-of-pieces.js";
export { clipGradients } from "./optimisers/clip-gradients.js";
export {
	type OptimiserOperands,
	type OptimiserPiece,
	type OptimiserStep,
	optimiserStep,
} from "./optimisers/optimiser.js";
export { type SgdSettings, sgd, sgdSlotsPerParameter } from "./optimisers/sgd.js";
export { fitMaskedPrior, type MaskedPrior } from "./recovery/fit-masked-prior.js";
export { type AtCut, JointTrainer, type JointTrainerOptions, type StepResult } from "./training/joint-trainer.js";
export { type BriefTrainingOptions, trainBriefly } from "./training/train-briefly.js";
export { type CodeTrainingOptions, trainOnce } from "./training/train-once.js";
export { zoo, zooNetwork } from "./zoo/index.js";
export type { SplitNetwork } from "./zoo/split-network.js";
