//! What an import must not bring along: names, phone and identity-document numbers. A gate has no use for
//! them, and what isn't there can't leak.

/// Headers that are personal data as a whole word.
const WORDS: [&str; 14] = [
    "id", "idno", "tel", "cell", "ssn", "dob", "mail", "addr", "room", "flat", "unit", "sex",
    "gender", "age",
];

/// Headers that are personal data wherever the word occurs.
const PARTS: [&str; 24] = [
    "phone",
    "mobile",
    "passport",
    "identity",
    "idcard",
    "idnumber",
    "nationalid",
    "email",
    "address",
    "birth",
    "wechat",
    "name",
    "licence",
    "license",
    "手机",
    "电话",
    "身份证",
    "证件",
    "护照",
    "姓名",
    "名字",
    "地址",
    "邮箱",
    "微信",
];

/// More Chinese words, kept apart for the line's length: date of birth, room, sex, contact.
const MORE_PARTS: [&str; 6] = ["出生", "生日", "房号", "住址", "性别", "联系"];

/// Whether a column of that name would hold personal data.
pub(super) fn is_personal_header(header: &str) -> bool {
    let plain: String =
        header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    WORDS.contains(&plain.as_str())
        || PARTS.iter().chain(&MORE_PARTS).any(|part| plain.contains(part))
}

/// A number without the spaces and hyphens people write.
fn bare(cell: &str) -> String {
    cell.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}' | '\'')).collect()
}

/// Whether it is a PRC resident identity number: 18 characters whose last is the checksum of the others
/// (GB 11643-1999, ISO 7064 MOD 11-2).
pub(super) fn is_resident_id(cell: &str) -> bool {
    const CHECK: &[u8; 11] = b"10X98765432";
    let bare = bare(cell).to_ascii_uppercase();
    let bytes = bare.as_bytes();
    let Some((last, digits)) = bytes.split_last() else { return false };
    if digits.len() != 17 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    // The weight of position i, counted from the left and from 0, is 2^(17 - i) mod 11.
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(i, d)| u32::from(d - b'0') * ((1u32 << (17 - i)) % 11))
        .sum();
    CHECK.get((sum % 11) as usize) == Some(last)
}

/// Whether it looks like a PRC mobile number: 11 digits from 13 to 19, with or without +86.
pub(super) fn is_mobile(cell: &str) -> bool {
    let bare = bare(cell);
    let number = bare.strip_prefix("+86").or_else(|| bare.strip_prefix("0086")).unwrap_or(&bare);
    number.len() == 11
        && number.bytes().all(|b| b.is_ascii_digit())
        && number.starts_with('1')
        && number.as_bytes().get(1).is_some_and(|b| (b'3'..=b'9').contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for header in [
            "id",
            "ID",
            "Phone",
            "phone_number",
            "Mobile No.",
            "tel",
            "ID card",
            "id-number",
            "Passport",
            "Full Name",
            "手机",
            "手机号码",
            "电话",
            "身份证号",
            "姓名",
            "住址",
            "联系方式",
            "E-Mail",
        ] {
            assert!(is_personal_header(header), "{header}");
        }
        for header in super::super::csv_rows::COLUMNS.iter().map(|(name, _)| *name) {
            assert!(!is_personal_header(header), "{header}");
        }
    }

    #[test]
    fn resident_ids_by_their_checksum() {
        // The standard's own example numbers.
        for id in ["11010519491231002X", "440524188001010014", "11010519491231002x"] {
            assert!(is_resident_id(id), "{id}");
        }
        for no in [
            "110105194912310021",
            "44052418800101001",
            "h10301",
            "",
            "身份证号码身份证号码身份证号码身份",
        ] {
            assert!(!is_resident_id(no), "{no}");
        }
    }

    #[test]
    fn mobiles() {
        for mobile in ["13800138000", "+86 138-0013-8000", "0086 19912345678"] {
            assert!(is_mobile(mobile), "{mobile}");
        }
        for no in ["12800138000", "1380013800", "138001380001", "23800138000", ""] {
            assert!(!is_mobile(no), "{no}");
        }
    }
}
