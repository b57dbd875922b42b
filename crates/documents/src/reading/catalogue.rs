//! The catalogue out of its document.
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    catalogue::{Catalogue, HappyHour, Product},
    id::DeviceId,
    money::Cents,
    stock::Count,
};

use super::{Fields, Trouble};
use crate::{
    path::{HappyHourField, Path, ProductField},
    value::Value,
};

pub(crate) fn catalogue(fields: &mut Fields, revision: u32) -> Catalogue {
    let products = products(fields);
    let happy_hours = happy_hours(fields, &products);
    Catalogue { revision, products, happy_hours }
}

fn products(fields: &mut Fields) -> Vec<Product> {
    let listed = fields.values.keys().filter_map(|path| {
        if let Path::Product(number, ProductField::Listed) = path
            && fields.flag(path)
        {
            Some(*number)
        } else {
            None
        }
    });
    let mut products = Vec::new();
    for number in listed.collect::<Vec<u32>>() {
        match product(fields, number) {
            Some(product) => products.push(product),
            None => fields.problem(format!("product/{number}"), Trouble::Incomplete),
        }
    }
    products
}

fn product(fields: &Fields, number: u32) -> Option<Product> {
    let at = |field| Path::Product(number, field);
    Some(Product {
        number,
        name_fr: fields.text(&at(ProductField::NameFr))?,
        name_en: fields.text(&at(ProductField::NameEn))?,
        group: fields.text(&at(ProductField::Group)).unwrap_or_default(),
        price: Cents::new(fields.small(&at(ProductField::Price))?)?,
        in_cup: fields.flag(&at(ProductField::InCup)),
        sold_out: fields.flag(&at(ProductField::SoldOut)),
        counted: fields.small(&at(ProductField::Counted)),
        counts: counts(fields, number),
        low: fields.small(&at(ProductField::Low)).unwrap_or(0),
        min_age: fields.small(&at(ProductField::MinAge)).and_then(|age| u8::try_from(age).ok()).unwrap_or(0),
    })
}

fn counts(fields: &Fields, product: u32) -> BTreeMap<DeviceId, Count> {
    let counts = fields.values.iter().filter_map(|(path, value)| match (path, value) {
        (Path::Count(number, device), Value::Text(text)) if *number == product => Some((*device, Count::parse(text)?)),
        _ => None,
    });
    counts.collect()
}

fn happy_hours(fields: &mut Fields, products: &[Product]) -> Vec<HappyHour> {
    let listed = fields.values.keys().filter_map(|path| {
        if let Path::HappyHour(number, HappyHourField::Listed) = path
            && fields.flag(path)
        {
            Some(*number)
        } else {
            None
        }
    });
    let mut hours = Vec::new();
    for number in listed.collect::<Vec<u32>>() {
        let thing = format!("happy_hour/{number}");
        match happy_hour(fields, number, products) {
            None => fields.problem(thing, Trouble::Incomplete),
            Some(hour) if only_alcohol(&hour, products) => fields.problem(thing, Trouble::OnlyAlcohol),
            Some(hour) => hours.push(hour),
        }
    }
    hours
}

fn happy_hour(fields: &Fields, number: u32, products: &[Product]) -> Option<HappyHour> {
    let at = |field| Path::HappyHour(number, field);
    let listed: BTreeSet<u32> = products.iter().map(|product| product.number).collect();
    let cheaper = fields.values.keys().filter_map(|path| {
        if let Path::HappyHourProduct(hour, product) = path
            && *hour == number
            && fields.flag(path)
        {
            Some(*product)
        } else {
            None
        }
    });
    let hour = HappyHour {
        number,
        name_fr: fields.text(&at(HappyHourField::NameFr))?,
        name_en: fields.text(&at(HappyHourField::NameEn))?,
        from: fields.int(&at(HappyHourField::From))?,
        until: fields.int(&at(HappyHourField::Until))?,
        products: cheaper.filter(|product| listed.contains(product)).collect(),
        percent_off: u8::try_from(fields.int(&at(HappyHourField::PercentOff))?).ok()?,
    };
    (hour.from < hour.until && !hour.products.is_empty()).then_some(hour)
}

/// French law (Code de la santé publique, L3323-1): who offers alcohol at a reduced price for a while must offer
/// drinks without alcohol at a reduced price too.
fn only_alcohol(hour: &HappyHour, products: &[Product]) -> bool {
    let ages = products.iter().filter(|product| hour.products.contains(&product.number)).map(|product| product.min_age);
    let (mut alcohol, mut soft) = (false, false);
    for age in ages {
        alcohol |= age > 0;
        soft |= age == 0;
    }
    alcohol && !soft
}
