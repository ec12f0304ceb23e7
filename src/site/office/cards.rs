//! The office's cards: taking them over, taking them away, and how the site's readers see them.

use super::{
    CARD_KEY, Office, SITE_FILE, SUBJECTS_FILE, SiteError, file_error, random_subject, read_key,
    save_site,
};
use crate::allowlist::CardKey;
use crate::domain::SubjectId;
use crate::site::import::{ImportOptions, Imported, Importer};
use crate::site::looks::Clash;
use crate::site::numbers::Written;
use crate::site::subjects::NotTaken;
use crate::site::{Subjects, UtcOffset, files};
use crate::wire::card::{Known, View, known};
use crate::wire::format;

impl Office {
    /// Imports a card file, or with `dry_run` says what that would do.
    pub fn import(&self, bytes: &[u8], options: ImportOptions) -> Result<Imported, SiteError> {
        let taken = self.take_over(bytes, options, self.subjects()?, random_subject);
        let (subjects, done) = taken?;
        if !options.dry_run {
            self.save_subjects(&subjects)?;
        }
        Ok(done)
    }

    /// The subjects as they are after the import; nothing is saved.
    pub(super) fn take_over(
        &self,
        bytes: &[u8],
        options: ImportOptions,
        subjects: Subjects,
        fresh: impl FnMut() -> SubjectId,
    ) -> Result<(Subjects, Imported), SiteError> {
        let gates = self.site.gates.keys().cloned().collect();
        let card_key = CardKey(read_key(&self.dir.join(CARD_KEY))?);
        let (offset, views) = (self.offset()?, &self.views);
        let importer = Importer { gates: &gates, offset, views, card_key: &card_key, options };
        Ok(importer.import(bytes, subjects, fresh)?)
    }

    pub(super) fn offset(&self) -> Result<Option<UtcOffset>, SiteError> {
        let spoilt = |why| SiteError::Spoilt {
            path: self.dir.join(SITE_FILE),
            why: format!("utc_offset {why}"),
        };
        self.site.utc_offset.as_ref().map(|text| text.parse().map_err(spoilt)).transpose()
    }

    /// Takes a lost or returned card away, under every number that it is known by here; gives how many those
    /// were.
    pub fn remove_card(&self, written: Written<'_>) -> Result<usize, SiteError> {
        let formats = format::builtins();
        let card = written.read(&formats, &self.views).map_err(SiteError::NoCard)?;
        let mut subjects = self.subjects()?;
        let looks = subjects.looks(&self.views);
        let mut found = Vec::new();
        for (subject, resident) in subjects.iter() {
            let same = resident.cards.iter().filter(|other| looks.same(&card, other));
            found.extend(same.map(|other| (*subject, other.clone())));
        }
        let Some((owner, _)) = found.first() else { return Err(SiteError::CardUnknown) };
        let is_whole =
            |card| matches!(known(card, &formats), Some(Known::Serial(part)) if !part.is_cut());
        let wholes = found.iter().filter(|(_, card)| is_whole(card)).count();
        if wholes > 1 || found.iter().any(|(subject, _)| subject != owner) {
            return Err(SiteError::CardUnclear);
        }
        for (_, card) in &found {
            subjects.take(card).map_err(|why| match why {
                NotTaken::Unknown => SiteError::CardUnknown,
                NotTaken::FaceOnly => SiteError::LastCard,
            })?;
        }
        self.save_subjects(&subjects)?;
        Ok(found.len())
    }

    pub(super) fn save_subjects(&self, subjects: &Subjects) -> Result<(), SiteError> {
        let path = self.dir.join(SUBJECTS_FILE);
        let lines = subjects
            .to_lines()
            .map_err(|e| SiteError::Spoilt { path: path.clone(), why: e.to_string() })?;
        files::replace(&path, lines.as_bytes(), 0o600).map_err(file_error(&path))
    }

    /// How the readers here present serials.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Puts a view among the site's, or takes it away: whether that changed anything.
    pub fn set_view(&mut self, view: View, there: bool) -> Result<bool, SiteError> {
        if self.views.contains(&view) == there {
            return if there { Ok(false) } else { Err(SiteError::NoView(view)) };
        }
        if there {
            self.views.push(view);
            self.views.sort();
        } else {
            self.views.retain(|other| *other != view);
        }
        self.site.views = self.views.iter().map(View::to_string).collect();
        save_site(&self.dir, &self.site)?;
        Ok(true)
    }

    /// For each view how many numbers a reader with it can send of the cards here.
    pub fn seen(&self) -> Result<Vec<(View, usize)>, SiteError> {
        let looks = self.subjects()?.looks(&self.views);
        Ok(self.views.iter().map(|view| (*view, looks.seen_by(view.part))).collect())
    }

    /// All subjects whose cards some reader here can't tell apart.
    pub fn clashes(&self) -> Result<Vec<Clash>, SiteError> {
        Ok(self.subjects()?.looks(&self.views).clashes())
    }
}
