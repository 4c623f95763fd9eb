//! A small neural network: 64 → 64 → 32 → 10 units, leaky ReLU, softmax with cross entropy. Trained by minibatch gradient
//! descent with momentum and a linear warm-up of the learning rate.
//!
//! A step takes the next batch of a shuffled epoch and runs the forward pass, the gradient of the softmax, the backward
//! pass and the update. The seed and the learning rate determine all numbers: no clock, no threads, no other randomness.
//!
//! Nothing is clipped. If the learning rate is too large, the network first learns during the warm-up. Then the
//! activations overflow, and the loss and all weights become NaN. The demo wants to show this. Plain ReLU would hide it
//! (its units die and the loss stays near ln 10), and so would `f32::max`, which ignores NaN.

use super::digits::{CLASSES, Digit, PIXELS};

/// Images per step.
pub(crate) const BATCH: usize = 32;
/// Names of the layers in metrics.
pub(crate) const LAYERS: [&str; 3] = ["fc1", "fc2", "fc3"];

const WIDTHS: [usize; 4] = [PIXELS, 64, 32, CLASSES];
const MOMENTUM: f32 = 0.9;
/// The slope of the leaky ReLU for negative sums.
const LEAK: f32 = 0.1;
/// Steps over which the learning rate rises from zero to its full value.
const WARM_UP_STEPS: u32 = 1000;

/// The measurements of a training step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepStats {
    /// Mean cross entropy of the batch, in nats, before the update.
    pub(crate) loss: f64,
    /// Fraction of the batch that was recognised, 0 to 1.
    pub(crate) accuracy: f64,
    /// By layer, in the order of [`LAYERS`].
    pub(crate) layers: [LayerStats; 3],
}

/// Norms of one layer in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LayerStats {
    /// Euclidean norm of the gradient of weights and biases.
    pub(crate) grad_norm: f64,
    /// Euclidean norm of weights and biases after the update.
    pub(crate) weight_norm: f64,
}

/// A network, its data and its position in the epoch.
#[derive(Debug)]
pub(crate) struct NetworkTrainer<'a> {
    data: &'a [Digit],
    order: Vec<usize>,
    next: usize,
    layers: [Layer; 3],
    learning_rate: f32,
    steps: u32,
    random: SplitMix,
}

impl<'a> NetworkTrainer<'a> {
    /// A network with weights drawn from `seed`, to be trained on `data` (at least one batch).
    pub(crate) fn new(data: &'a [Digit], learning_rate: f64, seed: u64) -> Self {
        assert!(data.len() >= BATCH, "a step needs {BATCH} images, there are {}", data.len());
        let mut random = SplitMix(seed);
        let layers = std::array::from_fn(|i| Layer::new(WIDTHS[i], WIDTHS[i + 1], &mut random));
        // The arithmetic is in single precision.
        let learning_rate = learning_rate as f32;
        NetworkTrainer {
            data,
            order: (0..data.len()).collect(),
            next: usize::MAX,
            layers,
            learning_rate,
            steps: 0,
            random,
        }
    }

    /// Trains on the next batch.
    pub(crate) fn step(&mut self) -> StepStats {
        if self.next.saturating_add(BATCH) > self.order.len() {
            self.random.shuffle(&mut self.order);
            self.next = 0;
        }
        let batch: Vec<&Digit> =
            self.order[self.next..self.next + BATCH].iter().map(|&i| &self.data[i]).collect();
        self.next += BATCH;

        let pixels: Vec<f32> = batch.iter().flat_map(|d| d.pixels).collect();
        let h1 = self.layers[0].forward(&pixels, true);
        let h2 = self.layers[1].forward(&h1, true);
        let mut out = self.layers[2].forward(&h2, false);
        let (loss, accuracy) = cross_entropy(&mut out, &batch);

        let out_gradient = out;
        let h2_gradient = self.layers[2].backward(&h2, &out_gradient, true);
        let h1_gradient = self.layers[1].backward(&h1, &h2_gradient, true);
        self.layers[0].backward(&pixels, &h1_gradient, false);

        self.steps = self.steps.saturating_add(1);
        let rate = self.learning_rate * (self.steps as f32 / WARM_UP_STEPS as f32).min(1.0);
        let layers = [0, 1, 2].map(|i| self.layers[i].update(rate));
        StepStats { loss, accuracy, layers }
    }

    /// Mean loss and accuracy on `data`, without training.
    pub(crate) fn evaluate(&self, data: &[Digit]) -> (f64, f64) {
        let batch: Vec<&Digit> = data.iter().collect();
        let pixels: Vec<f32> = batch.iter().flat_map(|d| d.pixels).collect();
        let h1 = self.layers[0].forward(&pixels, true);
        let h2 = self.layers[1].forward(&h1, true);
        let mut out = self.layers[2].forward(&h2, false);
        cross_entropy(&mut out, &batch)
    }
}

/// A fully connected layer with its gradient and momentum. Weights are stored by input, `weights[i * outputs + o]`, so
/// that inner loops run over the outputs. The last row holds the biases.
#[derive(Debug)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    velocity: Vec<f32>,
}

impl Layer {
    /// Uniform weights of variance 2 / inputs, zero biases (K. He and others, "Delving Deep into Rectifiers", 2015).
    fn new(inputs: usize, outputs: usize, random: &mut SplitMix) -> Self {
        let mut weights = vec![0.0; (inputs + 1) * outputs];
        let bound = (6.0 / inputs as f32).sqrt();
        for w in &mut weights[..inputs * outputs] {
            *w = (random.unit() * 2.0 - 1.0) * bound;
        }
        let zeros = vec![0.0; weights.len()];
        Layer { inputs, outputs, weights, gradient: zeros.clone(), velocity: zeros }
    }

    /// Outputs for each row of inputs; an `inner` layer applies the leaky ReLU.
    fn forward(&self, inputs: &[f32], inner: bool) -> Vec<f32> {
        let (weights, biases) = self.weights.split_at(self.inputs * self.outputs);
        let mut outputs = Vec::with_capacity(inputs.len() / self.inputs * self.outputs);
        for row in inputs.chunks_exact(self.inputs) {
            let start = outputs.len();
            outputs.extend_from_slice(biases);
            let out = &mut outputs[start..];
            for (&x, column) in row.iter().zip(weights.chunks_exact(self.outputs)) {
                add_scaled(out, column, x);
            }
            if inner {
                out.iter_mut().filter(|y| **y < 0.0).for_each(|y| *y *= LEAK);
            }
        }
        outputs
    }

    /// Computes the gradient of the weights from the gradient of the outputs. Returns the gradient of the inputs if they
    /// come from an `inner` layer.
    fn backward(&mut self, inputs: &[f32], outputs_gradient: &[f32], inner: bool) -> Vec<f32> {
        let split = self.inputs * self.outputs;
        self.gradient.fill(0.0);
        let mut inputs_gradient = Vec::with_capacity(if inner { inputs.len() } else { 0 });
        for (row, d) in inputs.chunks_exact(self.inputs).zip(outputs_gradient.chunks_exact(self.outputs)) {
            let (weights, biases) = self.gradient.split_at_mut(split);
            add_scaled(biases, d, 1.0);
            for (&x, column) in row.iter().zip(weights.chunks_exact_mut(self.outputs)) {
                add_scaled(column, d, x);
            }
            if inner {
                let columns = self.weights[..split].chunks_exact(self.outputs);
                inputs_gradient.extend(row.iter().zip(columns).map(|(&x, column)| {
                    let gradient: f32 = column.iter().zip(d).map(|(w, d)| w * d).sum();
                    if x < 0.0 { gradient * LEAK } else { gradient }
                }));
            }
        }
        inputs_gradient
    }

    fn update(&mut self, rate: f32) -> LayerStats {
        let grad_norm = norm(&self.gradient);
        for ((w, v), g) in self.weights.iter_mut().zip(&mut self.velocity).zip(&self.gradient) {
            *v = MOMENTUM * *v - rate * g;
            *w += *v;
        }
        LayerStats { grad_norm, weight_norm: norm(&self.weights) }
    }
}

/// `sum += row * by`: the inner loop of both passes.
fn add_scaled(sum: &mut [f32], row: &[f32], by: f32) {
    for (s, r) in sum.iter_mut().zip(row) {
        *s += r * by;
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

/// Replaces the outputs of a batch by the gradient of its mean cross entropy. Returns this loss and the fraction of
/// correct answers. An overflow gives NaN.
fn cross_entropy(outputs: &mut [f32], batch: &[&Digit]) -> (f64, f64) {
    let scale = 1.0 / batch.len() as f32;
    let (mut loss, mut right) = (0.0, 0.0);
    for (row, digit) in outputs.chunks_exact_mut(CLASSES).zip(batch) {
        let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = row.iter().map(|y| (y - greatest).exp()).sum();
        let answer = row[digit.label];
        loss += f64::from(sum.ln() - (answer - greatest));
        right += f64::from(u8::from(answer == greatest));
        for (class, y) in row.iter_mut().enumerate() {
            let target = if class == digit.label { 1.0 } else { 0.0 };
            *y = ((*y - greatest).exp() / sum - target) * scale;
        }
    }
    (loss / batch.len() as f64, right / batch.len() as f64)
}

/// The generator of G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), in steps of 2⁻²⁴ so that each is exact.
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Fisher and Yates.
    fn shuffle(&mut self, items: &mut [usize]) {
        for i in (1..items.len()).rev() {
            let j = self.next() % (i as u64 + 1);
            items.swap(i, usize::try_from(j).expect("j is at most i, an index"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::digits::Digits;
    use super::*;

    #[test]
    fn a_good_learning_rate_learns_to_read_digits() {
        let digits = Digits::load();
        let mut trainer = NetworkTrainer::new(&digits.train, 0.1, 1);
        let first = trainer.step();
        assert!((1.5..4.0).contains(&first.loss), "{first:?}");
        for _ in 0..600 {
            trainer.step();
        }
        let (loss, accuracy) = trainer.evaluate(&digits.test);
        assert!(accuracy > 0.93 && loss < 0.4, "loss {loss}, accuracy {accuracy}");
    }

    #[test]
    fn a_large_learning_rate_learns_then_diverges_to_nan() {
        let digits = Digits::load();
        let mut trainer = NetworkTrainer::new(&digits.train, 2.0, 1);
        let losses: Vec<f64> = (0..600).map(|_| trainer.step().loss).collect();
        let turned = losses.iter().position(|l| l.is_nan()).expect("the loss diverges");
        assert!(losses[..turned].iter().any(|&l| l < 1.0), "it learns at first");
        assert!(losses[..turned].iter().any(|&l| l > 100.0), "the loss grows before it overflows");
        assert!(losses[turned..].iter().all(|l| l.is_nan()));
        let stats = trainer.step();
        assert!(stats.layers.iter().all(|l| l.grad_norm.is_nan() && l.weight_norm.is_nan()), "{stats:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let digits = Digits::load();
        let run = |seed| {
            let mut trainer = NetworkTrainer::new(&digits.train, 0.1, seed);
            (0..60).map(|_| trainer.step()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn the_gradient_agrees_with_a_finite_difference() {
        let digits = Digits::load();
        let mut trainer = NetworkTrainer::new(&digits.train[..BATCH], 0.0, 3);
        trainer.step();
        for (layer, at) in [(0, 1000), (1, 77), (2, 5), (2, 32 * CLASSES + 1)] {
            let exact = f64::from(trainer.layers[layer].gradient[at]);
            let mut loss_with = |shift: f32| {
                let before = trainer.layers[layer].weights[at];
                trainer.layers[layer].weights[at] = before + shift;
                let loss = trainer.evaluate(trainer.data).0;
                trainer.layers[layer].weights[at] = before;
                loss
            };
            let rough = (loss_with(0.01) - loss_with(-0.01)) / 0.02;
            assert!((exact - rough).abs() < 1e-3 + 0.05 * rough.abs(), "layer {layer}: {exact} or {rough}");
        }
    }
}
