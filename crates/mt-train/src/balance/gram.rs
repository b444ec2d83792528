//! Inner products of the tasks' gradients, all that a method needs to know of them.

/// `(T, T)` inner products `G_a · G_b`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gram {
    tasks: usize,
    products: Vec<f64>,
}

impl Gram {
    /// The products of so many tasks, row-major.
    pub fn new(tasks: usize, products: Vec<f64>) -> Self {
        Self { tasks, products }
    }

    pub fn tasks(&self) -> usize {
        self.tasks
    }

    pub fn at(&self, a: usize, b: usize) -> f64 {
        self.products[a * self.tasks + b]
    }

    /// Length of a task's gradient.
    pub fn norm(&self, task: usize) -> f64 {
        self.at(task, task).sqrt()
    }

    /// Cosine of the angle between two tasks' gradients.
    pub fn cosine(&self, a: usize, b: usize) -> f64 {
        // Not the root of a product, which could underflow.
        self.at(a, b) / self.norm(a) / self.norm(b)
    }

    /// The same of the gradients cut to length 1.
    pub fn cosines(&self) -> Self {
        let all = (0..self.tasks * self.tasks).map(|i| self.cosine(i / self.tasks, i % self.tasks));
        Self::new(self.tasks, all.collect())
    }

    /// The same of some of the tasks.
    pub fn of(&self, tasks: &[usize]) -> Self {
        let products = tasks.iter().flat_map(|&a| tasks.iter().map(move |&b| self.at(a, b)));
        Self::new(tasks.len(), products.collect())
    }

    /// Inner product of each task's gradient with the sum `Σ weights_t · G_t`.
    pub fn times(&self, weights: &[f64]) -> Vec<f64> {
        let rows = self.products.chunks_exact(self.tasks);
        rows.map(|row| row.iter().zip(weights).map(|(product, weight)| product * weight).sum()).collect()
    }

    /// Length of the sum `Σ weights_t · G_t`.
    pub fn length(&self, weights: &[f64]) -> f64 {
        let square: f64 = self.times(weights).iter().zip(weights).map(|(a, b)| a * b).sum();
        square.max(0.0).sqrt()
    }

    /// The products of two-dimensional gradients, for tests.
    #[cfg(test)]
    pub fn from_plane(gradients: &[[f64; 2]]) -> Self {
        let dot = |a: &[f64; 2], b: &[f64; 2]| a[0] * b[0] + a[1] * b[1];
        let products = gradients.iter().flat_map(|a| gradients.iter().map(move |b| dot(a, b)));
        Self::new(gradients.len(), products.collect())
    }
}
