//! Boxes followed from frame to frame (Bewley et al. 2016, "Simple Online and Realtime Tracking"): a Kalman filter says where
//! each box should be now, and the frame's boxes are given to the tracks that they overlap most.

use super::Detection;
use super::assignment::assign;
use super::boxes::Rect;

/// A quantity that moves evenly, and how sure that is: the matrices of the paper's filter couple each quantity with its own
/// speed only, so that the filter of seven numbers falls apart into three of these and the ratio, which has no speed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Moving {
    value: f64,
    speed: f64,
    /// Variance of the value, covariance, variance of the speed.
    variance: [f64; 3],
    /// What a step adds to the variances of value and speed, and the variance of a measurement.
    noise: [f64; 3],
}

impl Moving {
    fn new(value: f64, speeds: f64, noise: [f64; 3]) -> Moving {
        Moving { value, speed: 0.0, variance: [10.0, 0.0, speeds], noise }
    }

    fn predict(&mut self) {
        let ([a, b, c], [value, speed, _]) = (self.variance, self.noise);
        self.value += self.speed;
        self.variance = [a + 2.0 * b + c + value, b + c, c + speed];
    }

    fn update(&mut self, measured: f64) {
        let [a, b, c] = self.variance;
        let [gain, gain_of_speed] = [a, b].map(|v| v / (a + self.noise[2]));
        let surprise = measured - self.value;
        self.value += gain * surprise;
        self.speed += gain_of_speed * surprise;
        self.variance = [(1.0 - gain) * a, (1.0 - gain) * b, c - gain_of_speed * b];
    }
}

/// The state of a box: centre, area, and width over height, which is taken not to change.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Motion {
    x: Moving,
    y: Moving,
    area: Moving,
    ratio: Moving,
}

fn measured(rect: &Rect) -> [f64; 4] {
    let [x, y, width, height] = rect.centre().map(f64::from);
    [x, y, width * height, width / height]
}

impl Motion {
    fn new(rect: &Rect) -> Motion {
        let [x, y, area, ratio] = measured(rect);
        Motion {
            x: Moving::new(x, 1e4, [1.0, 0.01, 1.0]),
            y: Moving::new(y, 1e4, [1.0, 0.01, 1.0]),
            area: Moving::new(area, 1e4, [1.0, 1e-4, 10.0]),
            ratio: Moving::new(ratio, 0.0, [1.0, 0.0, 10.0]),
        }
    }

    fn predict(&mut self) {
        // An area never becomes negative.
        if self.area.value + self.area.speed <= 0.0 {
            self.area.speed = 0.0;
        }
        [&mut self.x, &mut self.y, &mut self.area, &mut self.ratio].into_iter().for_each(Moving::predict);
    }

    fn update(&mut self, rect: &Rect) {
        let parts = [&mut self.x, &mut self.y, &mut self.area, &mut self.ratio];
        parts.into_iter().zip(measured(rect)).for_each(|(part, value)| part.update(value));
    }

    fn rect(&self) -> Rect {
        let width = (self.area.value * self.ratio.value).max(0.0).sqrt();
        let height = if width > 0.0 { self.area.value / width } else { 0.0 };
        Rect::from_centre([self.x.value, self.y.value, width, height].map(|v| v as f32))
    }
}

/// What makes a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrackOptions {
    /// Frames that a track survives without its box.
    pub max_age: u32,
    /// Frames in a row that a box must be seen before it is told; in the first frames of all it is told at once.
    pub min_hits: u32,
    /// Least overlap (intersection over union) of a box with where its track should be.
    pub iou_threshold: f32,
}

impl Default for TrackOptions {
    fn default() -> Self {
        TrackOptions { max_age: 1, min_hits: 3, iou_threshold: 0.3 }
    }
}

/// A box with the number of its track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracked {
    /// Counts from 1; the same thing keeps its number.
    pub id: u64,
    /// Class and score as detected, the box as the filter has it.
    pub detection: Detection,
    /// Which of the last frame's boxes it is; `None` if it was not seen there.
    pub seen: Option<usize>,
}

#[derive(Clone, Debug)]
struct Track {
    id: u64,
    motion: Motion,
    last: Detection,
    /// Its place among the boxes of the frame it was last seen in.
    place: usize,
    /// Frames since the box was seen.
    missed: u32,
    /// Frames in a row that it was.
    streak: u32,
}

/// Follows boxes; give it every frame's.
#[derive(Clone, Debug)]
pub struct Tracker {
    options: TrackOptions,
    tracks: Vec<Track>,
    frames: u32,
    born: u64,
}

fn rect_of(found: &Detection) -> Rect {
    Rect::from_xywh([found.x, found.y, found.width, found.height])
}

impl Tracker {
    /// Without tracks.
    pub fn new(options: TrackOptions) -> Tracker {
        Tracker { options, tracks: Vec::new(), frames: 0, born: 0 }
    }

    /// The boxes of the next frame, which may be none: those that are told of, each with its track. Boxes of different
    /// classes never share a track; boxes without an area are left out.
    pub fn update(&mut self, found: &[Detection]) -> Vec<Tracked> {
        self.frames = self.frames.saturating_add(1);
        for track in &mut self.tracks {
            track.motion.predict();
            if track.missed > 0 {
                track.streak = 0;
            }
            track.missed += 1;
        }
        let found: Vec<(Detection, Rect, usize)> = found
            .iter()
            .enumerate()
            .map(|(place, f)| (*f, rect_of(f), place))
            .filter(|(_, rect, _)| rect.is_finite() && rect.area() > 0.0 && rect.area().is_finite())
            .collect();
        let columns = self.tracks.len();
        let places: Vec<Rect> = self.tracks.iter().map(|track| track.motion.rect()).collect();
        let overlap = |(detection, rect, _): &(Detection, Rect, usize), track: usize| {
            if detection.class == self.tracks[track].last.class { rect.iou(&places[track]) } else { 0.0 }
        };
        let overlaps: Vec<f32> =
            found.iter().flat_map(|f| (0..columns).map(move |t| (f, t))).map(|(f, t)| overlap(f, t)).collect();
        let costs: Vec<f64> = overlaps.iter().map(|&iou| -iou as f64).collect();
        let assigned = assign(&costs, found.len(), columns);
        for (i, ((detection, rect, place), column)) in found.iter().zip(assigned).enumerate() {
            let enough = |t: &usize| {
                let iou = overlaps[i * columns + t];
                iou > 0.0 && iou >= self.options.iou_threshold
            };
            match column.filter(enough) {
                Some(t) => {
                    let track = &mut self.tracks[t];
                    track.motion.update(rect);
                    (track.last, track.place, track.missed) = (*detection, *place, 0);
                    track.streak += 1;
                }
                None => {
                    self.born += 1;
                    let (id, motion) = (self.born, Motion::new(rect));
                    self.tracks.push(Track { id, motion, last: *detection, place: *place, missed: 0, streak: 0 });
                }
            }
        }
        let TrackOptions { max_age, min_hits, .. } = self.options;
        let early = self.frames <= min_hits;
        let told = self.tracks.iter().filter(|track| track.missed == 0 && (track.streak >= min_hits || early));
        let told = told.map(Track::tracked).collect();
        self.tracks.retain(|track| track.missed <= max_age);
        told
    }

    /// Every track there is, those too that are not told of, where the filter has it.
    pub fn tracks(&self) -> Vec<Tracked> {
        self.tracks.iter().map(Track::tracked).collect()
    }
}

impl Track {
    fn tracked(&self) -> Tracked {
        let [x, y, width, height] = self.motion.rect().xywh();
        let seen = (self.missed == 0).then_some(self.place);
        Tracked { id: self.id, detection: Detection { x, y, width, height, ..self.last }, seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(class: usize, [x, y, width, height]: [f32; 4]) -> Detection {
        Detection { class, score: 0.9, x, y, width, height }
    }

    #[test]
    fn the_filter_by_hand() {
        let mut moving = Moving::new(0.0, 1e4, [1.0, 0.01, 1.0]);
        moving.predict();
        assert_eq!((moving.value, moving.variance), (0.0, [10011.0, 10000.0, 10000.01]));
        moving.update(10.0);
        // Gains 10011 / 10012 and 10000 / 10012.
        assert!((moving.value - 10.0 * 10011.0 / 10012.0).abs() < 1e-9);
        assert!((moving.speed - 10.0 * 10000.0 / 10012.0).abs() < 1e-9);
        assert!((moving.variance[0] - 10011.0 / 10012.0).abs() < 1e-9);
        assert!((moving.variance[1] - 10000.0 / 10012.0).abs() < 1e-9);
        assert!((moving.variance[2] - (10000.01 - 1e8 / 10012.0)).abs() < 1e-6);
        moving.predict();
        assert!((moving.value - 10.0 * 20011.0 / 10012.0).abs() < 1e-9);
    }

    #[test]
    fn boxes_that_move_keep_their_numbers() {
        let mut tracker = Tracker::new(TrackOptions::default());
        // One goes right, one left, through each other; they differ in size.
        let frame = |t: f32| [found(0, [10.0 * t, 0.0, 30.0, 60.0]), found(0, [100.0 - 10.0 * t, 0.0, 90.0, 90.0])];
        let mut seen = Vec::new();
        for t in 0..12 {
            let [a, b] = frame(t as f32);
            // In changing order.
            let told = tracker.update(&if t % 2 == 0 { [a, b] } else { [b, a] });
            assert_eq!(told.len(), 2, "frame {t}: {told:?}");
            let small = told.iter().find(|t| t.detection.width < 60.0).unwrap();
            assert_eq!(small.seen, Some(t % 2));
            seen.push(small.id);
            assert!((small.detection.x - a.x).abs() < 1.0, "{small:?} instead of {a:?}");
        }
        assert!(seen.iter().all(|&id| id == 1), "{seen:?}");
    }

    #[test]
    fn tracks_are_born_late_and_die() {
        let mut tracker = Tracker::new(TrackOptions { max_age: 2, ..TrackOptions::default() });
        let here = [found(3, [0.0, 0.0, 10.0, 10.0])];
        // The first three frames tell at once.
        assert_eq!(tracker.update(&here).len(), 1);
        for _ in 0..5 {
            tracker.update(&here);
        }
        // A second one is told when it was seen three more times.
        let both = [here[0], found(3, [50.0, 50.0, 10.0, 10.0])];
        let counts: Vec<usize> = (0..5).map(|_| tracker.update(&both).len()).collect();
        assert_eq!(counts, [1, 1, 1, 2, 2]);
        // Gone for two frames it comes back with its number, but must prove itself; after three it is another.
        tracker.update(&here);
        tracker.update(&here);
        tracker.update(&both);
        assert_eq!(tracker.tracks().iter().map(|t| t.id).collect::<Vec<_>>(), [1, 2]);
        for _ in 0..3 {
            tracker.update(&here);
        }
        assert_eq!(tracker.tracks().len(), 1);
        tracker.update(&both);
        assert_eq!(tracker.tracks()[1].id, 3);
    }

    #[test]
    fn classes_do_not_mix_and_nonsense_is_left_out() {
        let mut tracker = Tracker::new(TrackOptions { min_hits: 0, ..TrackOptions::default() });
        tracker.update(&[found(0, [0.0, 0.0, 10.0, 10.0])]);
        let told = tracker.update(&[found(1, [0.0, 0.0, 10.0, 10.0])]);
        assert_eq!(told.iter().map(|t| (t.id, t.detection.class)).collect::<Vec<_>>(), [(2, 1)]);
        let nonsense = [found(0, [f32::NAN, 0.0, 1.0, 1.0]), found(0, [0.0, 0.0, 0.0, 5.0]), found(0, [0.0; 4])];
        assert!(tracker.update(&nonsense).is_empty());
    }
}
